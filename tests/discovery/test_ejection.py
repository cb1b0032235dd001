"""Ejection in a pool: who fails is left alone, and counts as loaded for a while."""

from __future__ import annotations

import pytest

from discovery.balancing import Balancing
from discovery.errors import ResolutionFailed
from discovery.model import Outcome
from discovery.outliers import Outliers, Phase
from tests.discovery.pools import Served


def test_who_fails_five_times_in_a_row_is_left_alone() -> None:
    served = Served(4)
    failing = served.nodes[1]
    leases = [served.on(failing) for _ in range(5)]
    for lease in leases:
        assert served.ejected == []
        lease.done(Outcome.FAILURE)
    assert served.ejected == [failing]
    assert failing not in served.picks(40)


def test_a_success_in_between_begins_the_count_anew() -> None:
    served = Served(4)
    failing = served.nodes[1]
    for outcome in [Outcome.FAILURE] * 4 + [Outcome.SUCCESS] + [Outcome.FAILURE] * 4:
        served.on(failing).done(outcome)
    assert (failing.consecutive, failing.ejected) == (4, False)


def test_who_fails_one_time_in_three_is_left_alone_too() -> None:
    served = Served(4)
    failing, requests = served.nodes[1], 0
    while not failing.ejected:
        served.on(failing).done(Outcome.FAILURE if requests % 3 == 0 else Outcome.SUCCESS)
        served.clock.advance(0.1)
        requests += 1
    assert 20 <= requests <= 25


def test_a_busy_endpoint_is_never_ejected() -> None:
    served = Served(4)
    for _ in range(100):
        served.on(served.nodes[1]).done(Outcome.BUSY)
    assert served.ejected == []
    assert served.nodes[1].failures == 0


@pytest.mark.parametrize(("count", "most"), [(1, 1), (2, 1), (10, 1), (20, 2), (30, 3)])
def test_no_more_than_a_tenth_are_ejected_at_a_time_and_at_least_one(count: int, most: int) -> None:
    served = Served(count)
    for node in served.nodes:
        leases = [served.on(node) for _ in range(5)] if not node.ejected else []
        for lease in leases:
            lease.done(Outcome.FAILURE)
        assert len(served.ejected) <= most
    assert len(served.ejected) == most


@pytest.mark.parametrize(("sick", "used"), [(4, 6), (5, 5), (6, 10), (10, 10)])
def test_with_fewer_than_half_healthy_all_are_used(sick: int, used: int) -> None:
    served = Served(10)
    for node in served.nodes[:sick]:
        node.report_check(False)
    assert len(served.picks(100)) == used


def test_an_active_check_keeps_requests_away_until_it_passes() -> None:
    served = Served(4)
    node = served.nodes[0]
    node.report_check(False)
    assert node not in served.picks(20)
    heard: list[None] = []
    with served.pool.listening(lambda: heard.append(None)):
        node.report_check(False)
        assert heard == [], "it has said so already"
        node.report_check(True)
        assert heard == [None]
    assert served.picks(20)[node] == 5


def test_active_checks_count_without_outlier_ejection_too() -> None:
    served = Served(4, Balancing(outliers=None))
    node = served.nodes[0]
    node.report_check(False)
    assert node not in served.picks(20)
    for other in served.nodes[1:3]:
        other.report_check(False)
    assert len(served.picks(20)) == 4


def test_without_outliers_nothing_is_ejected_or_penalised() -> None:
    served = Served(4, Balancing(outliers=None))
    for _ in range(50):
        served.on(served.nodes[0]).done(Outcome.FAILURE)
        served.on(served.nodes[0]).done(Outcome.BUSY)
    assert (served.ejected, served.nodes[0].penalty, served.nodes[0].failures) == ([], 0, 50)


def test_failures_weigh_for_five_seconds_after_the_last() -> None:
    served = Served(2)
    node = served.nodes[0]
    served.on(node).done(Outcome.FAILURE)
    served.clock.advance(3)
    served.on(node).done(Outcome.FAILURE)
    assert node.penalty == 2
    served.clock.advance(4.99)
    assert node.penalty == 2
    served.clock.advance(0.01)
    assert (node.penalty, node.consecutive) == (0, 2)
    served.on(node).done(Outcome.FAILURE)
    assert node.penalty == 3, "failures in a row are remembered for longer than they weigh"
    served.on(node).done()
    assert node.penalty == 0


def test_refusals_weigh_too_and_are_forgiven_likewise() -> None:
    served = Served(2)
    node = served.nodes[0]
    for _ in range(3):
        served.on(node).done(Outcome.BUSY)
    assert node.penalty == 3
    served.clock.advance(5)
    assert node.penalty == 0
    served.on(node).done()
    assert not node.attended, "a request is again as cheap as any"


def test_an_endpoint_that_flaps_has_one_timer() -> None:
    served = Served(4)
    node = served.nodes[0]
    for _ in range(200):
        served.on(node).done(Outcome.BUSY)
        served.on(node).done()
        served.clock.advance(0.01)
    assert len(served.clock._due) == 1
    served.clock.advance(10)
    assert served.clock._due == []
    served.on(node).done(Outcome.BUSY)
    assert node.penalty == 1
    served.clock.advance(5)
    assert node.penalty == 0


def test_what_ends_after_the_pool_was_closed_does_not_open_it_again() -> None:
    served = Served(4)
    node = served.nodes[0]
    served.eject(node)
    served.clock.advance(1)
    probe, other = served.pick(), served.on(served.nodes[1])
    served.pool.close()
    probe.done()
    other.done(Outcome.FAILURE)
    node.report_check(False)
    served.clock.advance(100)
    assert served.pool.closed


def test_what_ends_after_the_set_has_expired_does_not_change_what_is_said() -> None:
    served = Served(4)
    served.eject(served.nodes[0])
    served.pool.expire("away for an hour")
    served.clock.advance(100)
    with pytest.raises(ResolutionFailed, match="away for an hour"):
        served.pool.pick()


def test_other_endpoints_are_not_touched_by_one_that_fails() -> None:
    served = Served(4)
    served.eject(served.nodes[0])
    assert {(node.failures, node.penalty, node.attended) for node in served.nodes[1:]} == {(0, 0, False)}


def test_of_a_set_that_shrinks_no_more_are_ejected_than_of_one_of_its_size() -> None:
    served = Served(20)
    first, second = served.nodes[:2]
    for node in (first, second):
        served.eject(node)
    served.update([node.endpoint for node in served.nodes[:19]])
    (ejected,) = served.ejected
    (readmitted,) = {first, second} - {ejected}
    assert readmitted.endpoint in {node.endpoint for node in served.picks(19)}
    served.clock.advance(Outliers().longest_s)
    assert readmitted.health.phase is Phase.IN, "the time of the ejection that was called off means nothing any more"
