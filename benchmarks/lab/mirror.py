"""A controller's copy of the API server's objects of one kind, kept in step by LIST and WATCH."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import NoReturn

import httpx

from .client import ApiClient, ApiError
from .kinds import Key, Kind, Object, key_of

RETRY_S = 0.1


class Mirror:
    """`objects` is complete once `listed` is set; `on_change` is called after every change of it."""

    def __init__(self, client: ApiClient, kind: Kind, on_change: Callable[[], None]) -> None:
        self.objects: dict[Key, Object] = {}
        self.listed = asyncio.Event()
        self._client = client
        self._kind = kind
        self._on_change = on_change

    async def run(self) -> NoReturn:
        """Follow the API server until cancelled, through its absence too; raises `ApiError` if refused."""
        while True:
            try:
                await self._list_and_watch()
            except ApiError as error:
                if error.code != 410:
                    raise
            except httpx.TransportError:
                await asyncio.sleep(RETRY_S)

    async def _list_and_watch(self) -> NoReturn:
        listed = await self._client.list(self._kind)
        self.objects = {key_of(obj): obj for obj in listed.items}
        self.listed.set()
        self._on_change()
        version = listed.version
        while True:
            async with aclosing(self._client.watch(self._kind, version=version)) as events:
                async for event in events:
                    version = event.version
                    if event.type == "BOOKMARK":
                        continue
                    if event.type == "DELETED":
                        self.objects.pop(key_of(event.object), None)
                    else:
                        self.objects[key_of(event.object)] = event.object
                    self._on_change()
