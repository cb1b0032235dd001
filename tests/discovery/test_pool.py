"""Pool: nodes survive updates, what leaves is drained, and a pick never waits."""

import gc
import threading
import weakref
from typing import Self

import pytest

from discovery.errors import Closed, NoEndpoints, ResolutionFailed
from discovery.model import Endpoint, Outcome, Snapshot
from discovery.node import Lease, Node
from discovery.policies.round_robin import RoundRobin
from discovery.pool import Pool
from discovery.testing import FakeClock

A, B, C = (Endpoint(f"10.0.0.{number}", 80) for number in (1, 2, 3))


class Connections:
    """A connector whose connections are ready when the test says so."""

    def __init__(self, ready: bool = True) -> None:
        self.ready = ready
        self.opened: list[Node] = []
        self.closed: list[Node] = []

    def open(self, node: Node) -> bool:
        self.opened.append(node)
        return self.ready

    def close(self, node: Node) -> None:
        self.closed.append(node)


def pool(*endpoints: Endpoint, connector: Connections | None = None) -> Pool:
    made = Pool(RoundRobin(), clock=FakeClock(), connector=connector)
    if endpoints:
        made.update(Snapshot(endpoints))
    return made


def pick(chosen_from: Pool) -> Lease:
    lease = chosen_from.pick()
    assert lease is not None
    return lease


def test_it_is_pending_before_the_first_snapshot() -> None:
    assert pool().pick() is None


def test_a_node_survives_the_updates_that_its_endpoint_is_in() -> None:
    under_test = pool(A, B)
    before = {node.endpoint: node for node in under_test.nodes}
    under_test.update(Snapshot((B, C)))
    after = {node.endpoint: node for node in under_test.nodes}
    assert after[B] is before[B]
    assert set(after) == {B, C}


def test_a_node_takes_over_what_is_new_about_its_endpoint() -> None:
    under_test = pool(A)
    node = under_test.nodes[0]
    under_test.update(Snapshot((Endpoint(A.host, A.port, name="pod", weight=5),)))
    assert under_test.nodes == (node,)
    assert (node.endpoint.name, node.endpoint.weight) == ("pod", 5)


def test_an_endpoint_that_left_gets_no_pick_and_is_closed_when_idle() -> None:
    connections = Connections()
    under_test = pool(A, connector=connections)
    first, second = pick(under_test), pick(under_test)
    under_test.update(Snapshot((B,)))
    assert {pick(under_test).endpoint for _ in range(5)} == {B}
    first.done()
    assert connections.closed == []
    second.done()
    assert connections.closed == [first.node]
    second.done()
    assert connections.closed == [first.node]


def test_an_idle_endpoint_is_closed_when_it_leaves() -> None:
    connections = Connections()
    under_test = pool(A, B, connector=connections)
    under_test.update(Snapshot((B,)))
    assert [node.endpoint for node in connections.closed] == [A]


def test_only_ready_endpoints_are_picked() -> None:
    connections = Connections(ready=False)
    under_test = pool(A, B, connector=connections)
    assert under_test.pick() is None
    connections.opened[1].report(True)
    assert {pick(under_test).endpoint for _ in range(4)} == {B}
    connections.opened[0].report(True)
    assert {pick(under_test).endpoint for _ in range(4)} == {A, B}
    connections.opened[1].report(False, "reset")
    assert {pick(under_test).endpoint for _ in range(4)} == {A}


def test_a_rotation_goes_on_where_nothing_changed_for_it() -> None:
    under_test, picked = pool(A, B), []
    for version in range(30):
        picked.append(pick(under_test).endpoint)
        under_test.update(Snapshot((A, B), version=f"{version}"))
        under_test.changed()
    assert picked == picked[:2] * 15
    assert set(picked) == {A, B}


def test_if_none_can_be_reached_it_says_so() -> None:
    connections = Connections(ready=False)
    under_test = pool(A, B, connector=connections)
    connections.opened[0].report(False, "refused")
    assert under_test.pick() is None
    connections.opened[1].report(False, "timed out")
    with pytest.raises(NoEndpoints, match=r"none of its 2 endpoints .*10.0.0.1:80: refused; 10.0.0.2:80: timed out"):
        under_test.pick()


def test_an_empty_set_is_told_apart_from_a_pending_one() -> None:
    under_test = pool(A)
    under_test.update(Snapshot((), note="all went home"))
    with pytest.raises(NoEndpoints, match="all went home"):
        under_test.pick()
    under_test.update(Snapshot((B,)))
    assert pick(under_test).endpoint == B


def test_a_failing_resolver_matters_only_while_there_was_no_set() -> None:
    under_test = pool()
    under_test.fail("no route")
    with pytest.raises(ResolutionFailed, match="no route"):
        under_test.pick()
    under_test.update(Snapshot((A,)))
    under_test.fail("no route")
    assert pick(under_test).endpoint == A


def test_after_close_picks_are_refused_and_all_is_closed_once() -> None:
    connections = Connections()
    under_test = pool(A, B, connector=connections)
    lease = pick(under_test)
    under_test.close()
    under_test.close()
    assert len(connections.closed) == 2
    lease.done()
    under_test.update(Snapshot((C,)))
    assert len(connections.closed) == 2
    with pytest.raises(Closed):
        under_test.pick()


def test_listeners_hear_of_each_change() -> None:
    under_test, heard = pool(), []
    with under_test.listening(lambda: heard.append(len(under_test.nodes))):
        under_test.update(Snapshot((A,)))
        under_test.update(Snapshot((A, B)))
    under_test.update(Snapshot(()))
    assert heard == [1, 2]


def test_a_lease_ends_once_and_tells_how() -> None:
    lease = pick(pool(A))
    lease.done(Outcome.FAILURE)
    lease.done(Outcome.FAILURE)
    assert (len(lease.node.leases), lease.node.failures) == (0, 1)


@pytest.mark.parametrize(("error", "failures"), [(None, 0), (OSError, 1), (KeyboardInterrupt, 0)])
def test_as_a_block_an_exception_is_the_outcome(error: type[BaseException] | None, failures: int) -> None:
    lease = pick(pool(A))
    try:
        with lease:
            assert len(lease.node.leases) == 1
            if error:
                raise error
    except (OSError, KeyboardInterrupt):
        pass
    assert (len(lease.node.leases), lease.node.failures) == (0, failures)


def test_threads_picking_during_updates_never_hold_a_closed_endpoint() -> None:
    connections = Connections()
    under_test = pool(A, B, C, connector=connections)
    wrong: list[str] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            lease = pick(under_test)
            if lease.node in connections.closed:
                wrong.append(f"closed while leased: {lease.node}")
            lease.done(Outcome.FAILURE)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(300):
        under_test.update(Snapshot(tuple(each for each in (A, B, C) if each is not (A, B, C)[number % 3])))
    over.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert all(not node.leases for node in connections.opened)
    assert len(connections.closed) == len(connections.opened) - 2


def test_a_pick_that_is_overtaken_by_an_update_does_not_keep_what_left_open() -> None:
    connections = Connections()
    under_test = pool(A, connector=connections)

    class Overtaken(Lease):
        def begin(self, node: Node) -> Self:
            super().begin(node)
            under_test.update(Snapshot((B,)))
            return self

    under_test._lease = Overtaken
    assert pick(under_test).endpoint == B
    assert connections.closed == [connections.opened[0]]
    assert not connections.opened[0].leases


def test_a_set_that_has_become_too_old_is_given_up_until_there_is_a_new_one() -> None:
    connections = Connections()
    under_test = pool(A, connector=connections)
    lease = pick(under_test)
    under_test.expire("away for an hour")
    with pytest.raises(ResolutionFailed, match="away for an hour"):
        under_test.pick()
    assert connections.closed == []
    lease.done()
    assert connections.closed == [lease.node]
    under_test.update(Snapshot((A,)))
    assert pick(under_test).node is not lease.node


def test_a_node_that_has_drained_is_not_kept_until_its_time_to_drain_is_over() -> None:
    under_test = pool(A, B)
    lease = pick(under_test)
    node = weakref.ref(lease.node)
    under_test.update(Snapshot(tuple({A, B} - {lease.endpoint})))
    lease.done()
    del lease
    gc.collect()
    assert node() is None


def test_what_is_still_in_flight_when_the_time_to_drain_is_over_is_cut_off() -> None:
    connections, clock = Connections(), FakeClock()
    under_test = Pool(RoundRobin(), clock=clock, connector=connections)
    under_test.update(Snapshot((A,)))
    lease = pick(under_test)
    under_test.update(Snapshot(()))
    clock.advance(599)
    assert connections.closed == []
    clock.advance(1)
    assert connections.closed == [lease.node]
