"""A policy in a pool, where each of its choices is looked at."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Collection, Sequence

from discovery.balancing import Balancing
from discovery.model import Endpoint, Outcome, Snapshot
from discovery.node import Lease, Node
from discovery.policies import Picker, Policy
from discovery.pool import Pool
from discovery.testing._fake_clock import FakeClock

KEYS = (None, "", "orders/17", "ключ", "k" * 10_000)


class Trial:
    """Sends requests that overlap, and asserts what must hold whatever the policy: of each choice that it is a
    candidate and not one to avoid, of each lease that its endpoint is in the set, of each node that it is closed once
    and after its last request.

    policy     put through it
    in_flight  requests that overlap
    """

    def __init__(self, policy: Policy, *, balancing: Balancing | None = None, in_flight: int = 8) -> None:
        self.clock = FakeClock()
        self.pool = Pool(_Watched(policy), clock=self.clock, balancing=balancing, connector=self)
        self.nodes: list[Node] = []
        self.closed: set[Node] = set()
        self._in_flight = in_flight
        self._held: collections.deque[Lease] = collections.deque()
        self._keys = itertools.cycle(KEYS)

    def open(self, node: Node) -> bool:
        """As a connector: a connection that can be used at once."""
        self.nodes.append(node)
        return True

    def close(self, node: Node) -> None:
        """As a connector: the connection is over."""
        assert node not in self.closed, f"{node} was closed twice"
        self.closed.add(node)

    def update(self, endpoints: Sequence[Endpoint]) -> None:
        """The set is this one from now on."""
        self.pool.update(Snapshot(tuple(endpoints)))
        assert [node.endpoint for node in self.pool.nodes] == list(endpoints)

    def pick(self, key: str | None = None, avoid: Collection[Endpoint] = ()) -> Lease:
        """One request's lease; the caller ends it."""
        lease = self.pool.pick(key, avoid)
        assert lease is not None, "no pick, though there are endpoints"
        assert lease.node in self.pool.nodes, f"{lease.node} has left"
        assert lease in lease.node.leases
        return lease

    def requests(
        self, count: int, outcome: Callable[[Endpoint], Outcome | None] = lambda _: Outcome.SUCCESS
    ) -> collections.Counter[Endpoint]:
        """Make so many, 10 ms apart, and count them by endpoint.

        outcome  how a request to an endpoint ends, when it has become the oldest; None: it does not end yet
        """
        counted = collections.Counter[Endpoint]()
        for _ in range(count):
            lease = self.pick(next(self._keys))
            counted[lease.endpoint] += 1
            self._held.append(lease)
            self.clock.advance(0.01)
            if len(self._held) > self._in_flight:
                oldest = self._held.popleft()
                ended = outcome(oldest.endpoint)
                if ended is None:
                    self._held.append(oldest)
                else:
                    self.end(oldest, ended)
        return counted

    def over(self) -> None:
        """End what is in flight, and let all endpoints go: nothing is left."""
        while self._held:
            self.end(self._held.popleft())
        self.update(())
        left = [node for node in self.nodes if node.leases]
        assert not left, f"requests that have ended are still counted: {left}"
        assert self.closed == set(self.nodes)

    def end(self, lease: Lease, outcome: Outcome = Outcome.SUCCESS) -> None:
        """The request of a lease is over; callable from any thread."""
        assert lease.node not in self.closed, f"{lease.node} was closed while a request was in flight on it"
        lease.answered()
        lease.done(outcome)


class _Watched(Policy):
    """The policy, with pickers that are looked at."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.measures_latency = policy.measures_latency

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _WatchedPicker(self._policy.picker(nodes), nodes)


class _WatchedPicker(Picker):
    __slots__ = ("_inner", "_nodes")

    def __init__(self, inner: Picker, nodes: Sequence[Node]) -> None:
        self._inner = inner
        self._nodes = tuple(nodes)

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
        node = self._inner.pick(key, avoid)
        assert node in self._nodes, f"{node} is none of the candidates {self._nodes}"
        if avoid and node.endpoint in avoid:
            others = [each for each in self._nodes if each.endpoint not in avoid]
            assert not others, f"{node} was to be avoided, and there was {others[0]}"
        return node
