"""What overrules a policy for a while: slow starts and limits; and how long what left may drain."""

from __future__ import annotations

import collections
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import pytest

from discovery.admission import SlowStart
from discovery.balancing import Balancing
from discovery.errors import Closed, Overloaded
from discovery.model import Endpoint, Outcome, Snapshot
from discovery.node import Node
from discovery.policies import Picker, Policy, without
from discovery.policies.round_robin import RoundRobin
from discovery.pool import Pool
from discovery.testing import FakeClock
from tests.discovery.pools import Served, endpoints


class Always(Policy):
    """The first of the candidates that need not be avoided."""

    def picker(self, nodes: Sequence[Node]) -> Picker:
        class First(Picker):
            def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
                return without(nodes, avoid)[0]

        return First()


@pytest.mark.parametrize(("age_s", "share"), [(0.0, 0.1), (1.0, 0.1), (5.0, 0.5), (9.0, 0.9), (10.0, 1.0)])
def test_an_endpoint_that_joins_gets_a_share_that_grows_with_its_age(age_s: float, share: float) -> None:
    served = Served(3, Balancing(slow_start_s=10.0), random=random.Random(1).random)
    new = Endpoint("10.0.9.9", 80)
    served.update([*served.endpoints, new])
    served.clock.advance(age_s)
    counted = {node.endpoint: count for node, count in served.picks(4_000).items()}
    # It has each fourth turn, and sometimes the turn that another new one has given up; there is no other.
    assert counted[new] == pytest.approx(1_000 * share, abs=80)


def test_those_of_the_first_set_start_at_full_speed() -> None:
    served = Served(4, Balancing(slow_start_s=10.0), random=random.Random(1).random)
    assert set(served.picks(40).values()) == {10}


def test_where_all_are_new_there_is_nobody_to_take_their_place() -> None:
    served = Served(1, Balancing(slow_start_s=10.0))
    served.update(endpoints(3)[1:])
    assert set(served.picks(40)) == set(served.nodes)


def test_a_slow_start_gives_nothing_to_those_that_are_to_be_avoided() -> None:
    served = Served(1, Balancing(slow_start_s=10.0), random=lambda: 0.999)
    old, new = endpoints(2)
    served.update([old, new])
    assert {served.pick(avoid=[old]).endpoint for _ in range(20)} == {new}


def test_when_the_last_start_is_over_the_policy_is_asked_alone() -> None:
    served = Served(1, Balancing(slow_start_s=10.0), policy=Always(), random=lambda: 0.999)
    old, new = endpoints(2)
    served.update([new, old])
    assert served.pick().endpoint == old
    assert isinstance(served.pool._picker, SlowStart)
    served.clock.advance(10)
    assert served.pick().endpoint == new
    assert not isinstance(served.pool._picker, SlowStart)


def test_an_endpoint_never_has_more_in_flight_than_it_may() -> None:
    served = Served(3, Balancing(max_in_flight=2), policy=Always())
    leases = [served.pick() for _ in range(6)]
    assert collections.Counter(lease.node for lease in leases) == dict.fromkeys(served.nodes, 2)
    with pytest.raises(Overloaded, match="each of its 3 endpoints has 2 requests in flight, the most"):
        served.pool.pick()
    leases[3].done(Outcome.FAILURE)
    assert served.pick().node is leases[3].node


def test_who_is_full_is_replaced_by_the_least_loaded_that_need_not_be_avoided() -> None:
    served = Served(3, Balancing(max_in_flight=3), policy=Always())
    full = [served.pick() for _ in range(3)]
    one, other, last = served.nodes
    assert {lease.node for lease in full} == {one}
    assert served.pick().node is other
    assert served.pick().node is last, "the least loaded"
    busy = [served.pick(avoid=[last.endpoint]) for _ in range(2)]
    assert [lease.node for lease in busy] == [other, other], "while it has room, even if it has more in flight"
    assert served.pick(avoid=[last.endpoint]).node is last, "when there is no other"


def test_a_limit_is_kept_where_two_requests_want_the_last_place() -> None:
    served = Served(2, Balancing(max_in_flight=1), policy=Always())
    one, other = served.nodes
    taken: list[Node] = []

    def take() -> None:
        if not taken:
            taken.append(one)
            assert served.pick().node is one

    _interrupt(served.pool, take)
    assert served.pick().node is other
    assert [len(node.leases) for node in served.nodes] == [1, 1]
    with pytest.raises(Overloaded):
        served.pool.pick()


def _interrupt(pool: Pool, interrupt: Callable[[], None]) -> None:
    """Have it called between the choice of a node and the lease on it."""
    assert pool._picker is not None
    pool._picker = _Interrupted(pool._picker, interrupt)


class _Interrupted(Picker):
    def __init__(self, inner: Picker, interrupt: Callable[[], None]) -> None:
        self._inner = inner
        self._interrupt = interrupt

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
        node = self._inner.pick(key, avoid)
        self._interrupt()
        return node


class Connections:
    """Counts what is opened and closed."""

    def __init__(self) -> None:
        self.opened: list[Node] = []
        self.closed: list[Node] = []

    def open(self, node: Node) -> bool:
        self.opened.append(node)
        return True

    def close(self, node: Node) -> None:
        self.closed.append(node)


def draining(drain_s: float) -> tuple[Pool, FakeClock, Connections]:
    clock, connections = FakeClock(), Connections()
    pool = Pool(RoundRobin(), clock=clock, connector=connections, balancing=Balancing(drain_s=drain_s))
    pool.update(Snapshot(tuple(endpoints(1))))
    return pool, clock, connections


def test_what_is_in_flight_at_an_endpoint_that_left_may_go_on_until_the_deadline() -> None:
    pool, clock, connections = draining(30.0)
    lease, other = pool.pick(), pool.pick()
    assert lease is not None
    assert other is not None
    pool.update(Snapshot(tuple(endpoints(2)[1:])))
    other.done()
    clock.advance(29.9)
    assert connections.closed == []
    clock.advance(0.1)
    assert connections.closed == [lease.node]
    lease.done(Outcome.FAILURE)
    clock.advance(600)
    assert connections.closed == [lease.node]
    assert not lease.node.leases


def test_an_idle_one_does_not_wait_for_the_deadline_and_leaves_no_timer() -> None:
    pool, clock, connections = draining(30.0)
    pool.update(Snapshot(()))
    assert connections.closed == connections.opened
    assert clock._due == []


def test_an_endpoint_that_comes_back_while_it_drains_is_a_new_one() -> None:
    pool, clock, connections = draining(30.0)
    lease = pool.pick()
    assert lease is not None
    pool.update(Snapshot(()))
    pool.update(Snapshot(tuple(endpoints(1))))
    assert len(connections.opened) == 2
    again = pool.pick()
    assert again is not None
    assert again.node is connections.opened[1]
    clock.advance(30)
    assert connections.closed == [lease.node]


def test_an_address_that_a_set_has_twice_is_one_node() -> None:
    pool, _, connections = draining(30.0)
    (endpoint,) = endpoints(1)
    pool.update(Snapshot((endpoint, replace(endpoint, weight=7))))
    new = Endpoint("10.0.9.9", 80)
    pool.update(Snapshot((new, new)))
    assert [node.endpoint for node in pool.nodes] == [new]
    pool.update(Snapshot(()))
    assert len(connections.opened) == 2
    assert connections.closed == connections.opened


def test_a_pick_that_is_overtaken_by_the_close_gets_no_closed_endpoint() -> None:
    pool, _, connections = draining(30.0)
    _interrupt(pool, pool.close)
    with pytest.raises(Closed):
        pool.pick()
    assert connections.closed == connections.opened
