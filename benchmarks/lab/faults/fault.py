"""One misbehaviour in force: which requests it meets, how many of them, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self, TypedDict

from ..errors import LabError

Requests = Literal["all", "lists", "watches"]
REQUESTS: Final[tuple[Requests, ...]] = ("all", "lists", "watches")


class Limits(TypedDict, total=False):
    """When a fault is over by itself; without any of them it is in force until it is cleared.

    count: requests, or connections, that it meets at most
    for_s: seconds
    """

    count: int
    for_s: float


class When(Limits, total=False):
    """The same, and of which requests: `lists` (of a collection), `watches`, or `all`, which is usual."""

    of: Requests


class Fault:
    """A fault from its construction until it is cleared, has met its `count`, or its time is up.

    As a context manager it is cleared at the block's end. What it holds up goes on when it is cleared.
    Raises `LabError` for limits that make no sense. With `for_s` it needs a running loop.

    cleared: set when it is cleared, by whatever.
    spent: set when it has met its `count`.
    met: how many requests or connections it has met.
    """

    def __init__(self, name: str, when: When, on_clear: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.of: Requests = when.get("of", "all")
        self.cleared = asyncio.Event()
        self.spent = asyncio.Event()
        self.met = 0
        self._count = when.get("count")
        self._on_clear = on_clear
        self._timer: asyncio.TimerHandle | None = None
        if self.of not in REQUESTS:
            raise LabError(f"{name}: there are no requests called {self.of!r}: take one of {', '.join(REQUESTS)}")
        if self._count is not None and self._count < 1:
            raise LabError(f"{name}: a count of {self._count} is none: take 1 or more")
        if (for_s := when.get("for_s")) is not None:
            if not for_s > 0:
                raise LabError(f"{name}: {for_s} s is no time: take more than 0")
            self._timer = asyncio.get_running_loop().call_later(for_s, self.clear)

    @property
    def in_force(self) -> bool:
        """Whether the next one may still meet it."""
        return self.met != self._count and not self.cleared.is_set()

    def meets(self, requests: Requests) -> bool:
        """Whether it is for this request (a connection counts as `all`); if so, it is counted."""
        if not self.in_force or self.of not in {"all", requests}:
            return False
        self.met += 1
        if self.met == self._count:
            self.spent.set()
        return True

    def clear(self) -> None:
        """Over now; does nothing twice."""
        if self.cleared.is_set():
            return
        self.cleared.set()
        if self._timer is not None:
            self._timer.cancel()
        self._on_clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.clear()
