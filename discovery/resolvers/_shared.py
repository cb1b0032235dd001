"""One source for many who follow it: each gets the newest value, and a slow one holds nobody up."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# By loop, so that a forked child, whose loop is another, shares nothing with its parent.
_sources: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Source[Any]]] = (
    weakref.WeakKeyDictionary()
)


async def shared(key: Hashable, source: Callable[[], AsyncIterator[T]]) -> AsyncGenerator[T, None]:
    """Follow `source()`, which runs once for all that follow the same key on this loop.

    The first one starts it and the last one ends it. What it raises, each of them gets.
    """
    sources = _sources.setdefault(asyncio.get_running_loop(), {})
    found: _Source[T] | None = sources.get(key)
    if found is None or found.over:
        found = sources[key] = _Source(source())
    found.followers += 1
    try:
        async for value in found.values():
            yield value
    finally:
        found.followers -= 1
        if found.followers == 0:
            found.task.cancel()
            if sources.get(key) is found:
                del sources[key]


class _Source(Generic[T]):
    """A running source and its newest value."""

    def __init__(self, source: AsyncIterator[T]) -> None:
        self.followers = 0
        self.over = False
        self._error: Exception | None = None
        self._newest: list[T] = []
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._run(source))

    async def values(self) -> AsyncIterator[T]:
        seen: list[T] = []
        while True:
            changed = self._changed
            if self._newest and self._newest is not seen:
                seen = self._newest
                yield seen[0]
            elif self.over:
                break
            else:
                await changed.wait()
        if self._error is not None:
            raise self._error

    async def _run(self, source: AsyncIterator[T]) -> None:
        try:
            async for value in source:
                self._newest = [value]
                self._wake()
        except Exception as error:  # noqa: BLE001 - it is not swallowed: every follower raises it
            self._error = error
        finally:
            self.over = True
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
