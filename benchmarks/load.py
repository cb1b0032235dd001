"""Open-loop load: requests leave when they are due, whatever became of those before.

Latency counts from the time at which a request was due, as wrk2 does (https://github.com/giltene/wrk2), so that
a stall is felt by every request that it delays and not only by the one that met it.
"""

from __future__ import annotations

import asyncio
import bisect
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

IN_FLIGHT = 10
"""Requests that a client has in flight at most, as a service's pool of workers would; the next wait on their own time.

Without a low bound, httpx collapses at the first hiccup: the CPU that it takes for a request grows with the square of
the connections that it keeps.
"""

LATE_S = 0.01
"""A request sent so long after it was due is late, to who asks whether the client keeps up."""

MAX_WAITING = 5_000
"""Requests that may be due and unsent; those before are dropped, and counted. It bounds how long a run lasts."""


class CallError(Exception):
    """A call failed in a way that a service must expect. `kind` is a word or two, fit to be counted by."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Request(NamedTuple):
    """One request, in seconds from the schedule's start. `backend` is the pod that answered, or `error` the kind."""

    due_s: float
    sent_s: float
    done_s: float
    backend: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Load:
    """What became of a schedule: requests in the order in which they were due, and the number never sent."""

    requests: tuple[Request, ...]
    dropped: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Requests due at `due_s` after `start`, a reading of time.monotonic().

    rate_rps  how many are due in a second, by all clients that share the load
    """

    start: float
    rate_rps: float
    due_s: tuple[float, ...]

    @classmethod
    def even(cls, start: float, rate_rps: float, count: int) -> Schedule:
        return cls(start, rate_rps, tuple(number / rate_rps for number in range(count)))

    def elapsed_s(self) -> float:
        return time.monotonic() - self.start


def merged(loads: Iterable[Load]) -> Load:
    """What clients that shared a load made of it, as if one had sent it all: every sample is kept."""
    loads = tuple(loads)
    return Load(
        tuple(sorted(request for load in loads for request in load.requests)), sum(load.dropped for load in loads)
    )


def late_with_room(requests: Iterable[Request]) -> int:
    """How many of one client's requests were late though it had fewer than IN_FLIGHT in flight when they were due.

    Those were late by the client's own fault; the others waited for answers.
    """
    requests = tuple(requests)
    sent = sorted(request.sent_s for request in requests)
    done = sorted(request.done_s for request in requests)

    def in_flight(at_s: float) -> int:
        return bisect.bisect_right(sent, at_s) - bisect.bisect_right(done, at_s)

    late = (request for request in requests if request.sent_s - request.due_s > LATE_S)
    return sum(in_flight(request.due_s) < IN_FLIGHT for request in late)


class _Tickets:
    """Hands out the schedule's requests, each once and in order, and keeps what becomes of them."""

    def __init__(self, schedule: Schedule, max_waiting: int, ended: list[Request] | None) -> None:
        self._schedule = schedule
        self._max_waiting = max_waiting
        self._due = iter(schedule.due_s)
        self._lock = threading.Lock()
        self._requests: list[Request] = [] if ended is None else ended
        self._dropped = 0

    def next_due_s(self) -> float | None:
        """When the next request is due that is not hopelessly late; None when there are no more."""
        with self._lock:
            for due_s in self._due:
                if (self._schedule.elapsed_s() - due_s) * self._schedule.rate_rps <= self._max_waiting:
                    return due_s
                self._dropped += 1
        return None

    def ended(self, due_s: float, sent_s: float, *, backend: str | None = None, error: str | None = None) -> None:
        self._requests.append(Request(due_s, sent_s, self._schedule.elapsed_s(), backend, error))

    def load(self) -> Load:
        return Load(tuple(sorted(self._requests)), self._dropped)


def run_sync(
    call: Callable[[], str],
    schedule: Schedule,
    *,
    max_waiting: int = MAX_WAITING,
    ended: list[Request] | None = None,
) -> Load:
    """Send the schedule from IN_FLIGHT threads, each taking the next request, waiting until it is due, and sending it.

    `call` returns the name of the pod that answered; a CallError is recorded, any other exception ends the load.
    Each request is appended to `ended` as it ends, for who watches.
    """
    tickets = _Tickets(schedule, max_waiting, ended)

    def work() -> None:
        while (due_s := tickets.next_due_s()) is not None:
            time.sleep(max(0.0, due_s - schedule.elapsed_s()))
            sent_s = schedule.elapsed_s()
            try:
                backend = call()
            except CallError as failure:
                tickets.ended(due_s, sent_s, error=failure.kind)
            else:
                tickets.ended(due_s, sent_s, backend=backend)

    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        for worker in [threads.submit(work) for _ in range(IN_FLIGHT)]:
            worker.result()
    return tickets.load()


async def run_asyncio(
    call: Callable[[], Awaitable[str]],
    schedule: Schedule,
    *,
    max_waiting: int = MAX_WAITING,
    ended: list[Request] | None = None,
) -> Load:
    """Send the schedule from IN_FLIGHT tasks of this loop; the rest is as in `run_sync`."""
    tickets = _Tickets(schedule, max_waiting, ended)

    async def work() -> None:
        while (due_s := tickets.next_due_s()) is not None:
            await asyncio.sleep(max(0.0, due_s - schedule.elapsed_s()))
            sent_s = schedule.elapsed_s()
            try:
                backend = await call()
            except CallError as failure:
                tickets.ended(due_s, sent_s, error=failure.kind)
            else:
                tickets.ended(due_s, sent_s, backend=backend)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(IN_FLIGHT):
            tasks.create_task(work())
    return tickets.load()
