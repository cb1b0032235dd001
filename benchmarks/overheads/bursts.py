"""So many calls, so many at a time, and what they cost."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Burst:
    """What `calls` calls took: by the clock, of processor time of the whole process, and each of them."""

    calls: int
    errors: int
    wall_s: float
    cpu_s: float
    p50_us: float
    p99_us: float

    @property
    def throughput(self) -> float:
        """Calls per second."""
        return self.calls / self.wall_s

    @property
    def cpu_us(self) -> float:
        """Processor time per call."""
        return self.cpu_s / self.calls * 1e6


class _Meter:
    """Counts from construction; what a call took is appended to `took_s`, from any thread."""

    def __init__(self, count: int, error: tuple[type[Exception], ...]) -> None:
        # Shared between threads: next() on it is atomic.
        self.turns = itertools.repeat(None, count)
        self.error = error
        self.took_s: list[float] = []
        self.errors: list[Exception] = []
        self._cpu_s = time.process_time()
        self._began = time.perf_counter()

    def read(self) -> Burst:
        wall_s, cpu_s = time.perf_counter() - self._began, time.process_time() - self._cpu_s
        took_s = sorted(self.took_s)
        p50, p99 = (took_s[int(len(took_s) * share)] * 1e6 for share in (0.5, 0.99))
        return Burst(len(took_s), len(self.errors), wall_s, cpu_s, p50, p99)


def burst(call: Callable[[], Any], count: int, threads: int, error: tuple[type[Exception], ...]) -> Burst:
    """Make `count` calls from so many threads; an `error` of one is counted, any other is raised."""
    meter = _Meter(count, error)
    if threads == 1:
        _repeat(call, meter)
        return meter.read()
    raised: list[BaseException] = []

    def work() -> None:
        try:
            _repeat(call, meter)
        except BaseException as other:  # noqa: BLE001 - raised again where it can be caught
            raised.append(other)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if raised:
        raise raised[0]
    return meter.read()


def _repeat(call: Callable[[], Any], meter: _Meter) -> None:
    now, took = time.perf_counter, meter.took_s.append
    for _ in meter.turns:
        began = now()
        try:
            call()
        except meter.error as error:
            meter.errors.append(error)
        took(now() - began)


async def burst_asyncio(
    call: Callable[[], Awaitable[Any]], count: int, in_flight: int, error: tuple[type[Exception], ...]
) -> Burst:
    """The same from so many tasks."""
    meter = _Meter(count, error)
    await asyncio.gather(*(_repeat_asyncio(call, meter) for _ in range(in_flight)))
    return meter.read()


async def _repeat_asyncio(call: Callable[[], Awaitable[Any]], meter: _Meter) -> None:
    now, took = time.perf_counter, meter.took_s.append
    for _ in meter.turns:
        began = now()
        try:
            await call()
        except meter.error as error:
            meter.errors.append(error)
        took(now() - began)
