"""A simulated endpoint, and the requests that it works on."""

from __future__ import annotations

import collections
import math

from discovery.model import Endpoint, Outcome
from discovery.node import Lease
from discovery.testing import FakeClock

WORKERS = 4
"""Requests that a server works on at once: a small pool of threads or processes, as most services have."""
WORK_S = 0.01
"""The mean of what a request takes, once a worker has it."""
ERROR_S = 0.001
"""After which a failing server answers, with an error and without any work."""


class Request:
    """One request. It is sent when it is due, so that the queue that it waits in is part of its latency.

    work_s   what it takes a worker of normal speed: its own property, the same whoever gets it
    key      for policies that hash
    bad      it fails wherever it goes, after its work
    ended_s  when it was answered; before that it is infinite
    ok       it was answered, and not with an error
    """

    __slots__ = ("bad", "due_s", "ended_s", "key", "lease", "ok", "server", "work_s")

    server: Server

    def __init__(self, due_s: float, work_s: float, key: str, bad: bool, lease: Lease) -> None:
        self.due_s = due_s
        self.work_s = work_s
        self.key = key
        self.bad = bad
        self.lease = lease
        self.ended_s = math.inf
        self.ok = False

    @property
    def latency_s(self) -> float:
        return self.ended_s - self.due_s

    @property
    def answered(self) -> bool:
        return self.ended_s < math.inf

    def worked(self) -> None:
        """Its worker is done with it."""
        self.server.free()
        self.end(Outcome.FAILURE if self.bad else Outcome.SUCCESS)

    def fail(self) -> None:
        self.end(Outcome.FAILURE)

    def end(self, outcome: Outcome) -> None:
        self.ended_s = self.server.clock.now
        self.ok = outcome is Outcome.SUCCESS
        self.lease.done(outcome)


def endpoint(number: int, zone: str = "") -> Endpoint:
    """Each number has an address of its own."""
    return Endpoint(f"10.0.{number // 250}.{number % 250 + 1}", 80, name=f"pod-{number}", zone=zone)


class Server:
    """Workers that take requests off one queue without a bound, first come, first served.

    slowness  how many times as long as `Request.work_s` its workers take
    failing   answers everything that comes with an error after `ERROR_S`
    """

    def __init__(self, number: int, clock: FakeClock, *, slowness: float, zone: str) -> None:
        self.clock = clock
        self.slowness = slowness
        self.failing = False
        self.endpoint = endpoint(number, zone)
        self._busy = 0
        self._queue: collections.deque[Request] = collections.deque()

    def take(self, request: Request) -> None:
        request.server = self
        if self.failing:
            self.clock.later(ERROR_S, request.fail)
        elif self._busy < WORKERS:
            self._busy += 1
            self.clock.later(request.work_s * self.slowness, request.worked)
        else:
            self._queue.append(request)

    def free(self) -> None:
        """A worker has nothing to do: the next one, if there is one."""
        if self._queue:
            request = self._queue.popleft()
            self.clock.later(request.work_s * self.slowness, request.worked)
        else:
            self._busy -= 1
