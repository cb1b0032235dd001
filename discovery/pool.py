"""Pool: owns the nodes and the current picker. It neither resolves nor sends."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from discovery import filters
from discovery.admission import Limited, Probing, SlowStart
from discovery.balancing import Balancing
from discovery.errors import Closed, DiscoveryError, NoEndpoints, ResolutionFailed
from discovery.model import Endpoint, Snapshot
from discovery.node import Lease, Node, TimedLease
from discovery.outliers import Health, Mark, Phase
from discovery.policies import Picker, Policy


class Connector(Protocol):
    """What an adapter gives to a Pool in order to own the connections of its nodes.

    Both are called from any thread and must not wait for the network.
    """

    def open(self, node: Node) -> bool:
        """The node joined. True if it can take requests at once; else `node.report` says so later."""

    def close(self, node: Node) -> None:
        """The node left and nothing is in flight on it, its time to drain is over, or the pool was closed."""


class Clock(Protocol):
    """Seconds, monotonic, and calls at a later moment: `discovery.runtime.Clock`, or a `FakeClock`."""

    def __call__(self) -> float: ...

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call it once after so many seconds, on any thread."""


class Pool:
    """Turns snapshots into nodes, and picks among those that are ready and well.

    Writers (updates, reports, failures) take a lock; `pick` reads one attribute and takes none.

    policy      builds a picker for each change
    connector   the adapter that owns the connections; without one, nodes are ready as they come
    random      a source of floats in [0, 1)
    """

    def __init__(
        self,
        policy: Policy,
        *,
        clock: Clock,
        balancing: Balancing | None = None,
        connector: Connector | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._connector = connector
        self.clock = clock
        self.balancing = balancing or Balancing()
        self._random = random
        self._lease: type[Lease] = TimedLease if policy.measures_latency else Lease
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._nodes: dict[tuple[str, int], Node] = {}
        self._leaving: set[Node] = set()
        self._listeners: set[Callable[[], None]] = set()
        self._snapshot: Snapshot | None = None
        self._offered: tuple[Node, ...] = ()
        self._chosen: Picker | None = None
        self._picker: Picker | None = None
        # A forked child has another identity than its parent.
        self._here = (self.balancing.our_node, self.balancing.our_zone, self.balancing.our_identity)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Those of the newest snapshot, in its order."""
        return tuple(self._nodes.values())

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest one, None before the first."""
        return self._snapshot

    def pick(self, key: str | None = None, avoid: Collection[Endpoint] = ()) -> Lease | None:
        """A lease on the policy's choice, or None while there is nothing to choose from yet (pending).

        Raises `NoEndpoints`, `ResolutionFailed`, `Closed`, and `Overloaded` where every endpoint is at its limit.
        """
        while (picker := self._picker) is not None:
            node = picker.pick(key, avoid)
            lease = self._lease().begin(node)
            if not node.attended:
                return lease
            # It may have left, or been filled up, between the choice and the lease; the next picker knows.
            most = self.balancing.max_in_flight
            if not node.draining and (not most or len(node.leases) <= most):
                return lease
            lease.retract()
            if node.draining and not node.leases:
                self.ended(node)
        return None

    def update(self, snapshot: Snapshot) -> None:
        """Take over a complete endpoint set: keep the node of each endpoint that stays, open and drain the others."""
        with self._lock:
            if self.closed:
                return
            since = None if self._snapshot is None else self.clock()
            left, nodes = self._nodes.copy(), dict[tuple[str, int], Node]()
            for endpoint in self._ours(snapshot.endpoints):
                address = (endpoint.host, endpoint.port)
                node = left.pop(address, None) or nodes.get(address) or self._joined(endpoint, since)
                if node.endpoint is not endpoint and node.endpoint != endpoint:
                    node.endpoint = endpoint
                    self._chosen = None  # it may go by what has changed
                nodes[address] = node
            self._nodes, self._snapshot = nodes, snapshot
            self._keep_cap()
            self._publish()
            # Only now, so that a pick that finds its node draining finds a newer picker too.
            self._drain(left.values())

    def fail(self, why: str) -> None:
        """The resolver failed. An earlier snapshot is served all the same."""
        with self._lock:
            if not self.closed:
                self._offer(_Refusal(ResolutionFailed, why) if self._snapshot is None else self._picker)

    def expire(self, why: str) -> None:
        """The resolver has failed for too long: what is known is no longer to be trusted, and its endpoints drain."""
        with self._lock:
            if not self.closed and self._snapshot is not None:
                left, self._nodes = self._nodes.values(), {}
                self._snapshot, self._offered = None, ()
                self._offer(_Refusal(ResolutionFailed, why))
                self._drain(left)

    def close(self) -> None:
        """Refuse every pick from now on and close all connections."""
        with self._lock:
            if self.closed:
                return
            self._offer(_Refusal(Closed, "it was closed"))
            nodes = {*self._nodes.values(), *self._leaving}
            self._leaving.clear()
            if self._connector is not None:
                for node in nodes:
                    node.drain()
                    self._connector.close(node)

    def forget(self) -> None:
        """Begin anew in a forked child: nothing inherited is used, closed or even released."""
        self._inherited = (self._lock, self._nodes, self._leaving, self._listeners, self._picker, self._chosen)
        if not self.closed:
            self._begin()

    @contextlib.contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `listener` is called after each change, by whichever thread made it."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    @property
    def closed(self) -> bool:
        return isinstance(self._picker, _Refusal) and self._picker.kind is Closed

    # What nodes tell

    def changed(self) -> None:
        with self._lock:
            self._publish()

    def failed(self, node: Node) -> None:
        outliers = self.balancing.outliers
        if outliers is None:
            return
        with self._lock:
            # Without a failure in a row, a success has overtaken this one: nothing would undo what it leads to.
            if node.draining or self.closed or not node.consecutive:
                return
            self._penalise(node, node.consecutive)
            before, mark = node.health, Mark(self.clock(), node.successes, node.failures)
            room = sum(each.ejected for each in self._nodes.values()) < outliers.cap(len(self._nodes))
            node.health = outliers.failed(before, node.consecutive, mark, room=room)
            if node.health.phase is Phase.EJECTED and before.phase is not Phase.EJECTED:
                over = functools.partial(self._probe, node, node.health)
                self.clock.later(outliers.duration_s(node.health, self._random()), over)
                self._publish()

    def refused(self, node: Node) -> None:
        with self._lock:
            self._penalise(node, node.penalty + 1)
            if node.health.probed:
                self._readmit(node)  # it answers, and is not to get each next request as a probe

    def recovered(self, node: Node) -> None:
        with self._lock:
            if node.health.phase is Phase.EJECTED:
                return
            node.forgive()
            if node.health.probed:
                self._readmit(node)

    def ended(self, node: Node) -> None:
        if node.draining:
            if not node.leases:
                self._gone(node)
        else:
            self._tell()  # there is room for somebody who waits

    def _keep_cap(self) -> None:
        """Of a smaller set fewer may be ejected."""
        outliers = self.balancing.outliers
        if outliers is not None:
            ejected = [node for node in self._nodes.values() if node.ejected]
            for node in ejected[outliers.cap(len(self._nodes)) :]:
                node.health = outliers.readmitted(node.health, self.clock())

    def _readmit(self, node: Node) -> None:
        if self.balancing.outliers is not None:
            node.health = self.balancing.outliers.succeeded(node.health, self.clock())
            self._publish()

    def _probe(self, node: Node, ejection: Health) -> None:
        """The time of this ejection is over."""
        with self._lock:
            if self.balancing.outliers is not None and node.health is ejection:
                node.health = self.balancing.outliers.due(node.health)
                node.earlier = frozenset(node.leases)
                self._publish()

    def _penalise(self, node: Node, penalty: int) -> None:
        """Have it count as more loaded than it is, for a while."""
        if self.balancing.outliers is None:
            return
        node.penalty, node.penalised_at = penalty, self.clock()
        if not node.timed:  # one timer for each node: an endpoint that flaps is penalised again and again
            node.timed = True
            self._forgive_in(self.balancing.outliers.penalty_s, node)

    def _forgive_in(self, delay_s: float, node: Node) -> None:
        def forgive() -> None:
            with self._lock:
                outliers = self.balancing.outliers
                left_s = node.penalised_at + outliers.penalty_s - self.clock() if outliers else 0.0
                if left_s > 0 and node.penalty and not node.draining:
                    self._forgive_in(left_s, node)
                else:
                    node.penalty, node.timed = 0, False

        self.clock.later(delay_s, forgive)

    # From a set to a picker

    def _ours(self, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        node, zone, identity = self._here
        endpoints = filters.hinted(endpoints, node, zone)
        return filters.subset(endpoints, self.balancing.subset, identity) if self.balancing.subset else endpoints

    def _joined(self, endpoint: Endpoint, since: float | None) -> Node:
        node = Node(endpoint, owner=self, since=since, limited=self.balancing.max_in_flight > 0)
        # Only ever set: the adapter may have reported READY from another thread before `open` returns.
        if self._connector is None or self._connector.open(node):
            node.ready = True
        if self.balancing.slow_start_s and since is not None:
            self.clock.later(self.balancing.slow_start_s, self.changed)
        return node

    def _publish(self) -> None:
        if self._snapshot is None or self.closed:
            return  # nothing is known yet, or no longer: what nodes tell does not change that
        reachable = filters.ready(self._nodes.values())
        candidates = well = filters.healthy(reachable, self.balancing.outliers)
        if self.balancing.prefer_zone:
            candidates = filters.near(well, self._nodes.values(), *self._here[1:])
        before, self._offered = self._offered, candidates
        if candidates:
            # A rotation goes on where nothing changed for it, so that it stays exact.
            if self._chosen is None or self._offered != before:
                self._chosen = self._policy.picker(candidates)
            suspects = reachable if len(well) < len(reachable) else ()
            self._offer(self._admitting(self._chosen, candidates, suspects))
        elif not self._nodes:
            self._offer(_Refusal(NoEndpoints, self._snapshot.note or "it has no ready endpoint"))
        elif all(node.error for node in self._nodes.values()):
            reasons = "; ".join(f"{node.endpoint}: {node.error}" for node in self.nodes[:3])
            self._offer(_Refusal(NoEndpoints, f"none of its {len(self._nodes)} endpoints can be reached ({reasons})"))
        else:
            self._offer(None)

    def _admitting(self, picker: Picker, candidates: Sequence[Node], suspects: Sequence[Node]) -> Picker:
        """The policy's picker, and around it what has to overrule it now; some of the suspects may need a probe."""
        balancing = self.balancing
        if balancing.slow_start_s and any(self._is_new(node) for node in candidates):
            picker = SlowStart(picker, balancing.slow_start_s, clock=self.clock, random=self._random)
        # One that is in flight there already is the probe, unless it is older: a stream may last for hours.
        probes = [node for node in suspects if node.health.probed and not node.sick and not node.leases - node.earlier]
        if probes:
            picker = Probing(picker, probes)
        return Limited(picker, candidates, balancing.max_in_flight) if balancing.max_in_flight else picker

    def _is_new(self, node: Node) -> bool:
        return node.since is not None and self.clock() - node.since < self.balancing.slow_start_s

    def _offer(self, picker: Picker | None) -> None:
        self._picker = picker
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    # What leaves

    def _drain(self, left: Collection[Node]) -> None:
        self._leaving.update(left)
        for node in left:
            node.drain()
            if node in self._leaving:
                self.clock.later(self.balancing.drain_s, _expiry(self, node))

    def _gone(self, node: Node) -> None:
        with self._lock:
            if node in self._leaving:
                self._leaving.remove(node)
                if self._connector is not None:
                    self._connector.close(node)


def _expiry(pool: Pool, node: Node) -> Callable[[], None]:
    """What ends a drain. It comes so late that nothing is to live on just because of it."""
    draining_in, draining = weakref.ref(pool), weakref.ref(node)

    def expire() -> None:
        if (pool := draining_in()) is not None and (node := draining()) is not None:
            pool._gone(node)

    return expire


class _Refusal(Picker):
    """Stands where a picker would and says why there is none."""

    __slots__ = ("kind", "why")

    def __init__(self, kind: type[DiscoveryError], why: str) -> None:
        self.kind = kind
        self.why = why

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - it refuses them all
        raise self.kind(self.why)
