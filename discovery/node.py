"""Node, the live record of one endpoint, and Lease, the handle of one pick."""

from __future__ import annotations

import itertools
import threading
import time
from types import TracebackType
from typing import Any, Protocol, Self

from discovery.latency import Latency
from discovery.model import Endpoint, Outcome
from discovery.outliers import UNKNOWN, Health

_SUCCESS, _FAILURE, _BUSY = Outcome.SUCCESS, Outcome.FAILURE, Outcome.BUSY


class Owner(Protocol):
    """Who is told what happens to a node: a pool. Each is called from any thread."""

    def clock(self) -> float:
        """Seconds, monotonic."""

    def changed(self) -> None:
        """A node can or can no longer take requests."""

    def failed(self, node: Node) -> None:
        """A request ended in failure."""

    def refused(self, node: Node) -> None:
        """The endpoint said that it has too much to do."""

    def recovered(self, node: Node) -> None:
        """A request succeeded, after failures or refusals."""

    def ended(self, node: Node) -> None:
        """A request ended on a node that is attended."""


class Node:
    """What we know of one endpoint while it is in the set; it survives snapshots.

    endpoint     the newest Endpoint value for this address
    leases       one entry for each request in flight. A set, because adding to and removing from it are
                 atomic, with and without a GIL: the count is exact, and a lease ends once, without a lock.
    ready        may take requests; reported by the adapter that owns the connections
    error        why it is not ready, if connecting failed; None while it has not been tried to the end
    sick         an active check says that it is
    draining     left the set: no new picks, what is in flight finishes
    limited      may have a bounded number of requests in flight
    attended     there is more to a pick and to an end than the count: it drains, is limited, or has failed of late
    since        when it joined a set that was there before, in the owner's seconds; None for those of the first set
    failures     requests that ended in `Outcome.FAILURE`
    consecutive  of them, those since the last success
    penalty      requests in flight that it counts for in excess of those that are: failures and refusals of late
    penalised_at when that was, in the owner's seconds
    timed        a timer is to end the penalty
    health       what its outcomes say, by `discovery.outliers`
    earlier      its leases when an ejection was over: none of them is the probe
    latency      what its answers take; measured where the policy wants to know
    connection   the adapter's own: its channel or inner transport
    """

    __slots__ = (
        "__weakref__",
        "_lock",
        "_success_reads",
        "attended",
        "connection",
        "consecutive",
        "draining",
        "earlier",
        "endpoint",
        "error",
        "failures",
        "health",
        "latency",
        "leases",
        "limited",
        "owner",
        "penalised_at",
        "penalty",
        "ready",
        "sick",
        "since",
        "succeeded",
        "timed",
    )

    def __init__(
        self, endpoint: Endpoint, *, owner: Owner | None = None, since: float | None = None, limited: bool = False
    ) -> None:
        self.endpoint = endpoint
        self.owner: Owner = owner or _Nobody()
        self.since = since
        self.leases: set[Lease] = set()
        self.ready = False
        self.error: str | None = None
        self.sick = False
        self.draining = False
        self.limited = self.attended = limited
        self.failures = 0
        self.consecutive = 0
        self.penalty = 0
        self.penalised_at = 0.0
        self.timed = False
        self.health: Health = UNKNOWN
        self.earlier: frozenset[Lease] = frozenset()
        self.latency: Latency | None = None
        self.connection: Any = None
        self._lock = threading.Lock()
        # One atomic step. To read it is to count, too, and is made up for.
        self.succeeded = itertools.count()
        self._success_reads = 0

    @property
    def ejected(self) -> bool:
        """Its outcomes keep it from taking requests."""
        return self.health.ejected

    def report(self, ready: bool, error: str | None = None) -> None:
        """The adapter says that the endpoint can (or can no longer) take requests; callable from any thread."""
        if (ready, error) != (self.ready, self.error):
            self.ready, self.error = ready, error
            self.owner.changed()

    def report_check(self, passed: bool) -> None:
        """An active check says whether the endpoint is well; callable from any thread."""
        if self.sick is passed:
            self.sick = not passed
            self.owner.changed()

    def drain(self) -> None:
        """Take no more requests; the owner hears of the end of what is in flight, and now if there is nothing."""
        with self._lock:
            self.draining = self.attended = True
        if not self.leases:
            self.owner.ended(self)

    def end(self, outcome: Outcome) -> None:
        """A request ended of which there is more to tell than that it succeeded; called by its lease alone."""
        if outcome is _FAILURE:
            with self._lock:
                self.failures += 1
                self.consecutive += 1
                self.attended = True
            self.owner.failed(self)
        elif outcome is _SUCCESS:
            if self.consecutive or self.penalty or not (self.draining or self.limited):
                self.owner.recovered(self)
        elif outcome is _BUSY:
            with self._lock:
                self.attended = True
            self.owner.refused(self)
        elif self.health.probed:
            self.owner.changed()  # it has not told anything: another one is to be the probe
        if self.draining or self.limited:
            self.owner.ended(self)

    def forgive(self) -> None:
        """It has done well again: nothing of its failures counts any more."""
        with self._lock:
            self.consecutive = self.penalty = 0
            self.attended = self.draining or self.limited

    @property
    def successes(self) -> int:
        """Requests that ended in `Outcome.SUCCESS`."""
        with self._lock:
            count = next(self.succeeded) - self._success_reads
            self._success_reads += 1
            return count

    def __repr__(self) -> str:
        return f"<Node {self.endpoint} ready={self.ready} in_flight={len(self.leases)} draining={self.draining}>"


class Lease:
    """One request's hold on a node, from the pick to the end of the response body or stream.

    As a context manager it ends with the block; an exception is a failure, a cancellation says nothing.
    """

    __slots__ = ("node",)

    node: Node

    def begin(self, node: Node) -> Self:
        """Hold on to a node. Not a constructor, which would cost a pick a tenth more."""
        self.node = node
        node.leases.add(self)
        return self

    @property
    def endpoint(self) -> Endpoint:
        """The server to send this request to."""
        return self.node.endpoint

    def answered(self) -> None:
        """The answer has begun: what it takes from now on is the length of its body or stream, no latency."""

    def done(self, outcome: Outcome = Outcome.SUCCESS) -> None:
        """End it. Only the first call counts; callable from any thread."""
        node = self.node
        try:
            node.leases.remove(self)
        except KeyError:
            return
        if outcome is _SUCCESS:
            next(node.succeeded)
            if not node.attended:
                return
        node.end(outcome)

    def retract(self) -> None:
        """It was never used: no outcome."""
        self.node.leases.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.done()
        else:
            self.done(Outcome.FAILURE if issubclass(kind, Exception) else Outcome.CANCELLED)


class TimedLease(Lease):
    """One that measures the latency of its node, for policies that want to know."""

    __slots__ = ("_answered", "_began")

    _began: float
    _answered: float | None

    def begin(self, node: Node) -> Self:
        self._began = node.owner.clock()
        self._answered = None
        return super().begin(node)

    def answered(self) -> None:
        self._answered = self.node.owner.clock()

    def done(self, outcome: Outcome = Outcome.SUCCESS) -> None:
        node = self.node
        if outcome is not Outcome.CANCELLED and self in node.leases:
            now = node.owner.clock()
            elapsed_s = (now if self._answered is None else self._answered) - self._began
            node.latency = Latency.observed(node.latency, elapsed_s, now, failed=outcome is not _SUCCESS)
        super().done(outcome)


class _Nobody:
    """Hears nothing: the owner of a node that is in no pool."""

    clock = staticmethod(time.monotonic)

    def changed(self) -> None:
        pass

    def failed(self, node: Node) -> None:
        pass

    def refused(self, node: Node) -> None:
        pass

    def recovered(self, node: Node) -> None:
        node.forgive()

    def ended(self, node: Node) -> None:
        pass
