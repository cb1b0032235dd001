"""What may be tried again, and how much of it: decisions without I/O, for every adapter alike."""

from __future__ import annotations

import collections
import enum
import itertools
import threading
import time
from collections.abc import Callable

from discovery.model import Endpoint


class RetryBudget:
    """Bounds retries to a share of the requests, so that they cannot become the load that they are an answer to.

    ratio      retries for each request (Finagle's 0.2)
    min_per_s  retries a second that are always allowed (Finagle's 10)
    window_s   over which both count (Finagle's 10)
    clock      seconds, monotonic

    One belongs to a balancer, or to several that are to share it. Callable from any thread.
    """

    def __init__(
        self,
        *,
        ratio: float = 0.2,
        min_per_s: float = 10.0,
        window_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if ratio < 0 or min_per_s < 0 or window_s <= 0:
            raise ValueError(f"RetryBudget({ratio=}, {min_per_s=}, {window_s=}): a budget is of positive numbers")
        self._ratio = ratio
        self._least = min_per_s * window_s
        self._window_s = window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._requests = itertools.count()
        self._reads = 0
        self._seen: tuple[float, int] = (clock(), 0)
        self._recent = 0.0
        self._spent: collections.deque[float] = collections.deque()
        self.request: Callable[[], int] = self._requests.__next__
        """Count one request; call it once for each, not for its retries. A single atomic step."""

    def spend(self) -> bool:
        """Whether one more retry may be; if so, it is counted."""
        with self._lock:
            now = self._clock()
            allowed = self._least + self._ratio * self._requests_in_window(now)
            while self._spent and self._spent[0] <= now - self._window_s:
                self._spent.popleft()
            if len(self._spent) + 1 > allowed:
                return False
            self._spent.append(now)
            return True

    def after_fork(self) -> None:
        """In a forked child: whoever held the lock in the parent will not let go of it here."""
        self._lock = threading.Lock()

    def _requests_in_window(self, now: float) -> float:
        # Requests are only counted; when they came is known as far as somebody has looked, and taken as even between.
        at, count = self._seen
        counted = next(self._requests) - self._reads
        self._reads += 1
        passed_s, new = now - at, counted - count
        if passed_s >= self._window_s:
            self._recent = new * self._window_s / passed_s
        else:
            self._recent = self._recent * (1 - passed_s / self._window_s) + new
        self._seen = (now, counted)
        return self._recent


class Ran(enum.Enum):
    """What is known of a request that failed."""

    NO = "no"
    """It never left, or the server says that it did nothing."""
    MAYBE = "maybe"
    """It may have been carried out."""


class Tries:
    """The tries of one request, from its first failure on.

    most    tries altogether
    failed  the endpoints that were tried, for `avoid`
    """

    __slots__ = ("_budget", "_most", "failed")

    def __init__(self, budget: RetryBudget, most: int) -> None:
        self._budget = budget
        self._most = most
        self.failed: list[Endpoint] = []

    def again(self, endpoint: Endpoint, ran: Ran, *, idempotent: bool) -> bool:
        """It failed there: whether to try it elsewhere. What may have run is tried again only if it is idempotent."""
        self.failed.append(endpoint)
        allowed = ran is Ran.NO or idempotent
        return allowed and len(self.failed) < self._most and self._budget.spend()
