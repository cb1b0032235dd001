"""A controller's copy of the API server's objects of one kind, kept in step by LIST and WATCH."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import NoReturn

import httpx

from .client import ApiClient, ApiError, WatchEvent
from .kinds import Key, Kind, Object, key_of

RETRY_S = 0.1


def passing(error: ApiError) -> bool:
    """Whether a refusal is the server's trouble of the moment, not an answer to what was asked."""
    return error.code == 429 or error.code >= 500


class Mirror:
    """`objects` is complete once `listed` is set; `on_change` is called after every change of it.

    Who writes may `note` the answer, and then sees its own write at once, and is not told of it again. `namespace` is
    the one whose objects are meant; None: those of all.
    """

    def __init__(
        self, client: ApiClient, kind: Kind, on_change: Callable[[], None], *, namespace: str | None = None
    ) -> None:
        self.objects: dict[Key, Object] = {}
        self.listed = asyncio.Event()
        self.kind = kind
        self._namespace = namespace
        self._client = client
        self._listeners = [on_change]

    async def run(self) -> NoReturn:
        """Follow the API server until cancelled, through its absence too; raises `ApiError` if refused."""
        while True:
            try:
                await self._list_and_watch()
            except ApiError as error:
                if passing(error):
                    await asyncio.sleep(RETRY_S)
                elif error.code != 410:
                    raise
            except httpx.TransportError:
                await asyncio.sleep(RETRY_S)

    def note(self, obj: Object) -> None:
        """Take in what a write was answered with, unless something newer has come meanwhile."""
        known = self.objects.get(key_of(obj))
        if known is None or _version(known) < _version(obj):
            self.objects[key_of(obj)] = obj

    def forget(self, obj: Object) -> None:
        """Leave an object out that has just been deleted, until an event tells what has become of it."""
        self.objects.pop(key_of(obj), None)

    @contextmanager
    def telling(self, listener: Callable[[], None]) -> Iterator[None]:
        """Have one more called after every change, while the block lasts."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    async def _list_and_watch(self) -> NoReturn:
        listed = await self._client.list(self.kind, self._namespace)
        self.objects = {key_of(obj): obj for obj in listed.items}
        self.listed.set()
        self._changed()
        version = listed.version
        while True:
            async with aclosing(self._client.watch(self.kind, self._namespace, version=version)) as events:
                async for event in events:
                    version = event.version
                    if event.type != "BOOKMARK" and self._take(event):
                        self._changed()

    def _take(self, event: WatchEvent) -> bool:
        """Whether the event tells anything new."""
        key = key_of(event.object)
        known = self.objects.get(key)
        if known is not None and _version(known) >= _version(event.object):
            return False
        if event.type == "DELETED":
            return self.objects.pop(key, None) is not None
        self.objects[key] = event.object
        return True


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
