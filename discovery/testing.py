"""For tests of code that uses this library, and of plug-ins for it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable

from discovery.model import Endpoint, Snapshot
from discovery.resolvers import Resolver
from discovery.runtime import LoopEvent


class FakeClock:
    """Seconds that pass when the test says so: by `advance`, or by whoever sleeps. What is due is called by then."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        return self.now

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have it called when so many seconds have passed."""
        heapq.heappush(self._due, (self.now + delay_s, next(self._order), call))

    def advance(self, seconds: float) -> None:
        """Let them pass, and call what is due in its order, each at its moment."""
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.now, _, call = heapq.heappop(self._due)
            call()
        self.now = until

    async def sleep(self, seconds: float) -> None:
        """In place of `asyncio.sleep`: the time is over at once, and others get their turn."""
        self.advance(seconds)
        await asyncio.sleep(0)


class ManualResolver(Resolver):
    """A resolver that says what the test tells it to: pending until the first `update` or `fail`.

    Both may be called from any thread; the newest of them is what every watch sees, also one begun later.
    """

    def __init__(self, *endpoints: Endpoint, names: tuple[str, ...] = ()) -> None:
        self.names = names
        self._watching: set[LoopEvent] = set()
        self._told: Snapshot | Exception | None = Snapshot(endpoints) if endpoints else None

    def update(self, *endpoints: Endpoint, note: str = "") -> None:
        """From now on the set is this one; without an endpoint it is empty."""
        self._tell(Snapshot(endpoints, note=note))

    def fail(self, error: Exception) -> None:
        """From now on resolving fails with this."""
        self._tell(error)

    def _tell(self, told: Snapshot | Exception) -> None:
        self._told = told
        for changed in tuple(self._watching):
            changed.set_threadsafe()

    async def watch(self) -> AsyncIterator[Snapshot]:
        changed = LoopEvent()
        self._watching.add(changed)
        try:
            while True:
                told = self._told
                if isinstance(told, Exception):
                    raise told
                if told is not None:
                    yield told
                await changed.wait()
                changed.clear()
        finally:
            self._watching.discard(changed)

    def __repr__(self) -> str:
        return "manual"
