"""After an ejection: one request tries the endpoint, and by its outcome the rest follow."""

from __future__ import annotations

from discovery.balancing import Balancing
from discovery.model import Outcome
from discovery.node import Node
from discovery.outliers import Outliers, Phase
from tests.discovery.pools import Served, phase


def test_when_one_is_back_there_is_room_for_another() -> None:
    served = Served(5)
    one, other = served.nodes[:2]
    served.eject(one)
    for _ in range(6):
        served.on(other).done(Outcome.FAILURE)
    assert served.ejected == [one]
    served.clock.advance(1)
    served.picks(1)
    assert served.ejected == []
    served.on(other).done(Outcome.FAILURE)
    assert served.ejected == [other]


def test_after_its_time_one_request_tries_it_and_the_rest_follow() -> None:
    served = Served(4)
    node = served.nodes[2]
    served.eject(node)
    served.clock.advance(0.99)
    assert node not in served.picks(20)
    served.clock.advance(0.01)
    assert phase(node) is Phase.PROBED
    probe = served.pick()
    assert probe.node is node
    others = [served.pick() for _ in range(40)]
    assert node not in {lease.node for lease in others}
    probe.done()
    assert phase(node) is Phase.IN
    assert (node.consecutive, node.penalty) == (0, 0)
    assert served.picks(40)[node] == 10


def test_a_probe_that_fails_doubles_the_time_with_jitter() -> None:
    served = Served(4, random=lambda: 0.5)
    node = served.nodes[2]
    served.eject(node)
    for lasts_s in (0.75, 1.5, 3, 6, 12, 24, 45, 45, 45):
        served.clock.advance(lasts_s - 0.01)
        assert phase(node) is Phase.EJECTED
        served.clock.advance(0.01)
        probe = served.pick()
        assert probe.node is node
        probe.done(Outcome.FAILURE)
        assert phase(node) is Phase.EJECTED
        assert node not in served.picks(10)


def test_who_did_well_for_a_minute_is_forgiven_what_was_before() -> None:
    served = Served(4)
    node = served.nodes[2]
    served.eject(node)
    served.clock.advance(1)
    served.pick().done(Outcome.FAILURE)
    served.clock.advance(2)
    served.picks(1)
    assert (phase(node), node.health.ejections) == (Phase.IN, 2)
    served.clock.advance(60)
    served.eject(node)
    assert node.health.ejections == 3
    served.clock.advance(4)
    served.picks(1)
    served.clock.advance(60.1)
    served.eject(node)
    assert node.health.ejections == 1


def test_a_probe_that_is_cancelled_says_nothing_and_there_is_another() -> None:
    served = Served(4)
    node = served.nodes[2]
    served.eject(node)
    served.clock.advance(1)
    for _ in range(3):
        probe = served.pick()
        assert probe.node is node
        probe.done(Outcome.CANCELLED)
        assert phase(node) is Phase.PROBED
    served.picks(1)
    assert phase(node) is Phase.IN


def test_a_probe_that_is_refused_has_been_answered() -> None:
    served = Served(4)
    node = served.nodes[2]
    served.eject(node)
    served.clock.advance(1)
    served.pick().done(Outcome.BUSY)
    assert phase(node) is Phase.IN
    assert node.penalty > 0
    # It has not succeeded since it failed so often: the next failure is one more in a row.
    served.on(node).done(Outcome.FAILURE)
    assert phase(node) is Phase.EJECTED


def test_what_was_under_way_before_does_not_readmit_and_is_no_probe() -> None:
    served = Served(4)
    node = served.nodes[2]
    stream, request = served.on(node), served.on(node)
    served.eject(node)
    request.done()
    assert phase(node) is Phase.EJECTED
    served.clock.advance(1)
    # The stream may go on for hours: it is not to be waited for.
    probe = served.pick()
    assert probe.node is node
    served.pool.changed()
    assert served.pick().node is not node
    probe.done()
    assert phase(node) is Phase.IN
    stream.done(Outcome.CANCELLED)


def test_a_probe_that_is_to_be_avoided_is_left_to_the_next_request() -> None:
    served = Served(4)
    node = served.nodes[2]
    served.eject(node)
    served.clock.advance(1)
    assert served.pick(avoid=[node.endpoint]).node is not node
    assert served.pick().node is node


def test_several_that_are_to_be_tried_get_one_request_each() -> None:
    served = Served(30)
    for node in served.nodes[:3]:
        served.eject(node)
    served.clock.advance(1)
    assert {served.pick().node for _ in range(3)} == set(served.nodes[:3])
    assert served.pick().node not in served.nodes[:3]


def test_a_single_endpoint_is_used_while_it_is_ejected_and_comes_back() -> None:
    served = Served(1)
    (node,) = served.nodes
    served.eject(node)
    assert served.picks(5) == {node: 5}
    assert phase(node) is Phase.EJECTED
    served.clock.advance(1)
    served.picks(1)
    assert phase(node) is Phase.IN


def test_an_endpoint_that_is_sick_gets_no_probe() -> None:
    served = Served(4)
    node = served.nodes[0]
    served.eject(node)
    node.report_check(False)
    served.clock.advance(1)
    assert node not in served.picks(20)
    node.report_check(True)
    assert served.pick().node is node


def test_a_failure_that_a_success_has_overtaken_ejects_nobody() -> None:
    served = Served(4, Balancing(outliers=Outliers(volume=1)))
    node = served.nodes[0]
    served.on(node).done(Outcome.FAILURE)  # the next one ejects it, by its success rate
    failed = served.pool.failed

    def overtaken(failing: Node) -> None:
        served.pool.recovered(failing)
        failed(failing)

    lease = served.on(node)
    served.pool.failed = overtaken  # type: ignore[assignment, method-assign]
    lease.done(Outcome.FAILURE)
    # Ejected without a failure in a row, it would wait for a probe whose success nobody looks at.
    assert (node.consecutive, node.ejected) == (0, False)


def test_an_endpoint_that_left_and_came_back_begins_anew() -> None:
    served = Served(4)
    served.eject(served.nodes[0])
    served.update(served.endpoints[1:])
    served.update(served.endpoints)
    node = next(node for node in served.nodes if node.endpoint == served.endpoints[0])
    assert not node.ejected
    served.clock.advance(1)
    assert served.picks(40)[node] == 10
