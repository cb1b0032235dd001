"""Requests of a stream, kept until it is sure that they need not be sent a second time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

MOST = 100
"""Requests that are kept; a stream that has sent more is not tried again."""


class _Kept:
    """What has been taken from the caller's iterator.

    complete  all of it is kept, so that it can be sent anew
    """

    def __init__(self) -> None:
        self.complete = True
        self._kept: list[Any] = []

    def release(self) -> None:
        """An answer is there: it will not be sent anew."""
        self.complete = False
        self._kept.clear()

    def _keep(self, request: Any) -> None:
        if self.complete:
            self._kept.append(request)
            if len(self._kept) > MOST:
                self.release()


class Replay(_Kept):
    """Of an iterator, for grpc's thread that takes the requests; a later try may begin while that one still waits."""

    def __init__(self, requests: Iterable[Any]) -> None:
        super().__init__()
        self._source = iter(requests)
        self._lock = threading.Lock()

    def begin(self) -> Iterator[Any]:
        """The requests from the first one on."""
        at = 0
        while True:
            with self._lock:
                if self.complete and at < len(self._kept):
                    request = self._kept[at]
                else:
                    try:
                        request = next(self._source)
                    except StopIteration:
                        return
                    self._keep(request)
            at += 1
            yield request


class AsyncReplay(_Kept):
    """The same for asyncio, of an async iterator or an iterator."""

    def __init__(self, requests: AsyncIterable[Any] | Iterable[Any]) -> None:
        super().__init__()
        self._source = aiter(requests) if isinstance(requests, AsyncIterable) else _async(requests)
        self._lock = asyncio.Lock()

    async def begin(self) -> AsyncIterator[Any]:
        """The requests from the first one on."""
        at = 0
        while True:
            async with self._lock:
                if self.complete and at < len(self._kept):
                    request = self._kept[at]
                else:
                    try:
                        request = await anext(self._source)
                    except StopAsyncIteration:
                        return
                    self._keep(request)
            at += 1
            yield request


async def _async(requests: Iterable[Any]) -> AsyncIterator[Any]:
    for request in requests:
        yield request
