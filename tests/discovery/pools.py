"""A pool on a clock of the test's own, and requests to it that end as the test says."""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection

from discovery.balancing import Balancing
from discovery.model import Endpoint, Outcome, Snapshot
from discovery.node import Lease, Node
from discovery.outliers import Phase
from discovery.policies import Policy
from discovery.policies.round_robin import RoundRobin
from discovery.pool import Pool
from discovery.testing import FakeClock


def endpoints(count: int, **known: str) -> list[Endpoint]:
    return [Endpoint(f"10.0.{at // 250}.{at % 250}", 80, **known) for at in range(count)]  # type: ignore[arg-type]


def phase(node: Node) -> Phase:
    """Where it stands now."""
    return node.health.phase


class Served:
    """A pool of so many endpoints, which it has had from the beginning.

    random  a source of floats in [0, 1), of the pool's; the policy has another
    """

    def __init__(
        self,
        count: int,
        balancing: Balancing | None = None,
        *,
        policy: Policy | None = None,
        random: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.clock = FakeClock()
        self.pool = Pool(policy or RoundRobin(random=lambda: 0.0), clock=self.clock, balancing=balancing, random=random)
        self.endpoints = endpoints(count)
        if count:
            self.update(self.endpoints)

    def update(self, endpoints: Collection[Endpoint]) -> None:
        self.pool.update(Snapshot(tuple(endpoints)))

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.pool.nodes

    @property
    def ejected(self) -> list[Node]:
        return [node for node in self.nodes if node.ejected]

    def pick(self, key: str | None = None, avoid: Collection[Endpoint] = ()) -> Lease:
        lease = self.pool.pick(key, avoid)
        assert lease is not None
        return lease

    def picks(self, count: int) -> collections.Counter[Node]:
        """So many requests that succeed at once, by node."""
        counted = collections.Counter[Node]()
        for _ in range(count):
            with self.pick() as lease:
                counted[lease.node] += 1
        return counted

    def on(self, node: Node) -> Lease:
        """A request to this node, which the policy picks in its turn."""
        for _ in range(10 * len(self.nodes)):
            lease = self.pick()
            if lease.node is node:
                return lease
            lease.done(Outcome.CANCELLED)
        raise AssertionError(f"{node} is not picked")

    def eject(self, node: Node) -> None:
        """Have it fail five times in a row."""
        leases = [self.on(node) for _ in range(5)]
        for lease in leases:
            lease.done(Outcome.FAILURE)
        assert node.ejected
