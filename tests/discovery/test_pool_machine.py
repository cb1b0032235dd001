"""A pool through any course of updates, picks, outcomes, reports, checks and time, under each policy."""

from __future__ import annotations

import collections
import functools
from collections.abc import Collection

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from discovery import filters, registry
from discovery.balancing import Balancing
from discovery.errors import DiscoveryError, NoEndpoints, Overloaded, ResolutionFailed
from discovery.model import Endpoint, Outcome, Snapshot
from discovery.node import Lease, Node
from discovery.outliers import Outliers, Phase
from discovery.pool import Pool
from discovery.testing import FakeClock

DRAIN_S = 120.0
SETS = st.one_of(
    # Slices of a ring, so that there are rolling changes; and sometimes anything.
    st.builds(lambda begin, count: [(begin + at) % 25 for at in range(count)], st.integers(0, 24), st.integers(1, 25)),
    st.builds(lambda begin, count: [(begin + at) % 25 for at in range(count)], st.integers(0, 4), st.integers(2, 6)),
    st.sets(st.integers(0, 24)),
).map(tuple)
INDEX = st.integers(0, 1_000)
KEYS = st.sampled_from([None, "", "a", "b", "c"])
BALANCING = st.builds(
    Balancing,
    slow_start_s=st.sampled_from([0.0, 10.0]),
    max_in_flight=st.sampled_from([0, 0, 1, 3]),
    prefer_zone=st.booleans(),
    zone=st.just("a"),
    identity=st.just("me"),
    drain_s=st.just(DRAIN_S),
)


def endpoint(number: int, weight: int = 1) -> Endpoint:
    return Endpoint(f"10.0.0.{number}", 80, weight=weight, zone="abc"[number % 3])


class PoolMachine(RuleBasedStateMachine):
    """Keeps its own count of everything and compares."""

    def __init__(self, policy: str) -> None:
        super().__init__()
        self.policy = policy
        self.clock = FakeClock()
        self.opened: list[Node] = []
        self.closed = collections.Counter[Node]()
        self.left_at: dict[Node, float] = {}
        self.leases: list[Lease] = []
        self.probes: dict[Lease, tuple[Node, int]] = {}
        self.ended = collections.Counter[tuple[Node, Outcome]]()
        self.spoken_against_at: dict[Node, float] = {}
        self.failing = False

    # As a connector

    def open(self, node: Node) -> bool:
        self.opened.append(node)
        return self.connects

    def close(self, node: Node) -> None:
        self.closed[node] += 1

    # What happens

    @initialize(balancing=BALANCING, connects=st.sampled_from([True, True, True, False]), numbers=SETS)
    def begin(self, balancing: Balancing, connects: bool, numbers: tuple[int, ...]) -> None:
        self.connects = connects
        self.pool = Pool(registry.policy(self.policy), clock=self.clock, balancing=balancing, connector=self)
        self.limit = balancing.max_in_flight
        assert self.pool.pick() is None
        self.update(numbers, 1)

    @rule(numbers=SETS, weight=st.sampled_from([1, 1, 5]))
    def update(self, numbers: tuple[int, ...], weight: int) -> None:
        before = {node.endpoint.address: node for node in self.pool.nodes}
        ejected = {node for node in self.pool.nodes if node.ejected}
        endpoints = [endpoint(number, weight if number % 2 else 1) for number in numbers]
        self.pool.update(Snapshot(tuple(endpoints)))
        self.failing = False
        assert [node.endpoint for node in self.pool.nodes] == endpoints
        after = {node.endpoint.address: node for node in self.pool.nodes}
        for address, node in before.items():
            assert after.get(address, node) is node, "a node survives each update that its endpoint is in"
            if address not in after:
                self.left_at[node] = self.clock()
        assert {node for node in self.pool.nodes if node.ejected} <= ejected, "an update ejects nobody"

    @rule(key=KEYS, avoid=st.sets(st.integers(0, 24), max_size=3))
    def pick(self, key: str | None, avoid: Collection[int]) -> None:
        self.picked(key, [endpoint(number) for number in avoid])

    @precondition(lambda self: self.leases)
    @rule(index=INDEX, outcome=st.sampled_from(list(Outcome)))
    def done(self, index: int, outcome: Outcome) -> None:
        self.end(self.leases[index % len(self.leases)], outcome)

    @rule(count=st.sampled_from([5, 20, 60]), index=INDEX, held=st.sampled_from([0, 0, 3]))
    def traffic(self, count: int, index: int, held: int) -> None:
        """Requests of which those to one endpoint fail, and the last ones go on."""
        bad = self.one_of(index)
        for left in range(count, 0, -1):
            lease = self.picked(None, ())
            if lease is not None and left > held:
                self.end(lease, Outcome.FAILURE if lease.endpoint == bad else Outcome.SUCCESS)

    @rule(indices=st.lists(INDEX, min_size=1, max_size=4))
    def outage(self, indices: list[int]) -> None:
        """Some endpoints fail in a row: all others are to be avoided."""
        for index in indices:
            bad = self.one_of(index)
            for _ in range(5):
                lease = self.picked(None, [node.endpoint for node in self.pool.nodes if node.endpoint != bad])
                if lease is not None:
                    self.end(lease, Outcome.FAILURE if lease.endpoint == bad else Outcome.CANCELLED)

    def one_of(self, index: int) -> Endpoint | None:
        nodes = self.pool.nodes
        return nodes[index % len(nodes)].endpoint if nodes else None

    @precondition(lambda self: self.opened)
    @rule(index=INDEX, what=st.sampled_from(["ready", "not ready", "refused", "sick", "well", "all ready and well"]))
    def report(self, index: int, what: str) -> None:
        node = self.opened[index % len(self.opened)]
        match what:
            case "sick" | "well":
                node.report_check(what == "well")
            case "all ready and well":
                self.all_is_well()
            case _:
                node.report(what == "ready", "refused" if what == "refused" else None)

    def all_is_well(self) -> None:
        for node in self.opened:
            node.report(True)
            node.report_check(True)

    @rule(seconds=st.sampled_from([0.1, 1.0, 1.0, 5.0, 60.0, DRAIN_S]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(too_long=st.sampled_from([False, False, False, True]))
    def fail(self, too_long: bool) -> None:
        """The resolver does; an update mends it."""
        self.pool.fail("no route")
        self.failing = True
        if too_long:
            for node in self.pool.nodes:
                self.left_at[node] = self.clock()
            self.pool.expire("away for too long")

    # What must hold

    def candidates(self) -> tuple[Node, ...]:
        reachable = tuple(node for node in self.pool.nodes if node.ready)
        well = tuple(node for node in reachable if not node.sick and node.health.phase is Phase.IN)
        chosen = well if 2 * len(well) >= len(reachable) else reachable
        return filters.near(chosen, self.pool.nodes, "a", "me") if self.pool.balancing.prefer_zone else chosen

    def picked(self, key: str | None, avoid: Collection[Endpoint]) -> Lease | None:
        """A lease, if there is one; asserts that there is one exactly if there should be."""
        candidates, nodes = self.candidates(), self.pool.nodes
        room = [node for node in candidates if not self.limit or len(node.leases) < self.limit]
        try:
            lease, refused = self.pool.pick(key, avoid), None
        except DiscoveryError as error:
            lease, refused = None, type(error)
        if lease is None:
            assert self.refusal() is refused
            return None
        node = lease.node
        assert node in nodes
        assert not node.draining
        assert not self.closed[node]
        assert node.ready
        self.leases.append(lease)
        if node not in candidates:
            assert node.health.phase is Phase.PROBED
            assert not node.sick
            probe = (node, node.health.ejections)
            assert probe not in self.probes.values(), "one probe at a time"
            assert node.endpoint not in avoid
            self.probes[lease] = probe
        elif any(other.endpoint not in avoid for other in room):
            assert node.endpoint not in avoid
        assert not self.limit or len(node.leases) <= self.limit
        return lease

    def refusal(self) -> type[DiscoveryError] | None:
        """Why there is no lease; None is because it is pending."""
        if self.pool.snapshot is None:
            return ResolutionFailed if self.failing else None
        if candidates := self.candidates():
            assert self.limit
            assert all(len(node.leases) >= self.limit for node in candidates)
            return Overloaded
        return NoEndpoints if all(node.error for node in self.pool.nodes) else None

    def end(self, lease: Lease, outcome: Outcome) -> None:
        node, before = lease.node, lease.node.health.phase
        # Done twice counts once.
        lease.done(outcome)
        lease.done(Outcome.FAILURE)
        self.leases.remove(lease)
        self.probes.pop(lease, None)
        self.ended[node, outcome] += 1
        if outcome in {Outcome.FAILURE, Outcome.BUSY}:
            self.spoken_against_at[node] = self.clock()
        if before is Phase.IN and node.health.phase is not Phase.IN:
            assert outcome is Outcome.FAILURE

    @invariant()
    def no_more_are_ejected_than_may_be(self) -> None:
        nodes = self.pool.nodes
        assert sum(node.ejected for node in nodes) <= max(1, len(nodes) // 10)

    @invariant()
    def counts_are_exact(self) -> None:
        in_flight = collections.Counter(lease.node for lease in self.leases)
        for node in self.opened:
            assert len(node.leases) == in_flight[node]
            assert node.failures == self.ended[node, Outcome.FAILURE]
            assert node.successes == self.ended[node, Outcome.SUCCESS]
            since = self.clock() - self.spoken_against_at.get(node, 0.0)
            assert node.penalty == 0 or since < Outliers().penalty_s or node in self.left_at

    @invariant()
    def what_left_is_closed_once_when_it_is_idle_or_its_time_is_over(self) -> None:
        in_flight = {lease.node for lease in self.leases}
        for node in self.opened:
            left_at = self.left_at.get(node)
            over = left_at is not None and (node not in in_flight or self.clock() >= left_at + DRAIN_S)
            assert self.closed[node] == over

    def teardown(self) -> None:
        if not hasattr(self, "pool"):
            return
        for lease in tuple(self.leases):
            self.end(lease, Outcome.CANCELLED)
        self.all_is_well()
        self.connects = True
        self.update(tuple(range(1, 25)), 1)
        for _ in range(3):
            self.clock.advance(Outliers().longest_s)
            for _ in range(30):
                picked = self.picked(None, ())
                assert picked is not None
                self.end(picked, Outcome.SUCCESS)
        for node in self.pool.nodes:
            assert not node.ejected, "it does well again"
            assert node.penalty == 0
        self.update((), 1)
        self.counts_are_exact()
        assert self.closed == dict.fromkeys(self.opened, 1)
        self.pool.close()
        assert self.closed == dict.fromkeys(self.opened, 1)


@pytest.mark.timeout(600)  # to make a failing course short takes Hypothesis its time
@pytest.mark.parametrize("policy", sorted(registry.POLICIES))
def test_whatever_happens(policy: str) -> None:
    run_state_machine_as_test(
        functools.partial(PoolMachine, policy),  # type: ignore[arg-type]  # it is called, and no more
        settings=settings(max_examples=40, stateful_step_count=40, deadline=None),
    )
