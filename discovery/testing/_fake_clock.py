"""A clock that the test moves."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable


class FakeClock:
    """Seconds that pass when the test says so: by `advance`, or by whoever sleeps. What is due is called by then.

    `later` may be called from any thread.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self._lock = threading.Lock()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        return self.now

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have it called when so many seconds have passed."""
        with self._lock:
            heapq.heappush(self._due, (self.now + delay_s, next(self._order), call))

    def advance(self, seconds: float) -> None:
        """Let them pass, and call what is due in its order, each at its moment."""
        until = self.now + seconds
        while (call := self._next(until)) is not None:
            call()
        self.now = until

    async def sleep(self, seconds: float) -> None:
        """In place of `asyncio.sleep`: the time is over at once, and others get their turn."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def _next(self, until: float) -> Callable[[], None] | None:
        with self._lock:
            if not self._due or self._due[0][0] > until:
                return None
            self.now, _, call = heapq.heappop(self._due)
            return call
