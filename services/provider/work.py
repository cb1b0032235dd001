"""What a call costs the pod: time, one of its few slots, and now and then a failure."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Literal

DEAR = 50.0
SLOW = 10.0

Trouble = Literal["slow", "fail"]


class WorkFailedError(Exception):
    """This call is one of the share that is to fail; answered as 503 or UNAVAILABLE."""


class Work:
    """The pod's capacity: one object, shared by everything that the pod serves.

    A call holds one of `concurrency` slots (0: no bound) for `latency_s` seconds; the others queue, first
    come, first served. A share `fail_ratio` (0 to 1) of the calls then fails, having cost what others cost. A share
    `dear_ratio` takes `DEAR` times as long as the others.

    From `begin_trouble` on each call takes `SLOW` times as long, or with `trouble` "fail" fails at once.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.0,
        concurrency: int = 0,
        fail_ratio: float = 0.0,
        dear_ratio: float = 0.0,
        trouble: Trouble = "slow",
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._latency_s = latency_s
        self._slots = asyncio.Semaphore(concurrency) if concurrency else contextlib.nullcontext()
        self._fail_ratio = fail_ratio
        self._dear_ratio = dear_ratio
        self._trouble = trouble
        self._troubled = False
        self._sleep = sleep
        self._uniform = uniform

    async def do(self) -> None:
        """Do the work of one call; raises WorkFailedError if the call is one that fails."""
        if self._troubled and self._trouble == "fail":
            raise WorkFailedError("this pod is in trouble, and fails every call")
        async with self._slots:
            if self._latency_s:
                await self._sleep(self._latency_s * self._factor())
        if self._uniform() < self._fail_ratio:
            raise WorkFailedError("this pod fails a share of its calls, as --fail-ratio says")

    def begin_trouble(self) -> None:
        """It will not end."""
        self._troubled = True

    def _factor(self) -> float:
        dear = DEAR if self._dear_ratio and self._uniform() < self._dear_ratio else 1.0
        return dear * SLOW if self._troubled else dear
