"""Least request: even when idle, the less loaded when not, and failures are load."""

import collections
import random

import pytest

from discovery.node import Node
from discovery.policies.least_request import AHEAD, LeastRequest
from tests.discovery.policies.served import busy, nodes, picks


def picked(chosen: list[Node], count: int, seed: int = 1) -> list[int]:
    """How often each, in order."""
    counted = picks(LeastRequest(random=random.Random(seed).random).picker(chosen), count)
    return [counted[node] for node in chosen]


@pytest.mark.parametrize("count", [1, 2, 3, 10, 100])
def test_idle_endpoints_are_balanced_to_within_a_few_requests(count: int) -> None:
    chosen = nodes(count)
    picker = LeastRequest(random=random.Random(3).random).picker(chosen)
    total: collections.Counter[Node] = collections.Counter()
    for _ in range(100):
        total += picks(picker, count)
        assert max(total.values()) - total.total() / count <= 3
        assert total.total() / count - min(total[node] for node in chosen) <= 8


def test_the_less_loaded_of_two_is_preferred() -> None:
    chosen = nodes(2)
    leases = busy(chosen[0], 5)
    assert picked(chosen, 1_000) == [0, 1_000]
    for lease in leases:
        lease.done()
    assert picked(chosen, 1_000) == [500, 500]


def test_a_tie_goes_to_the_one_that_has_had_fewer_turns() -> None:
    chosen = nodes(2)
    picker = LeastRequest(random=lambda: 0.0).picker(chosen)
    assert [picker.pick(None, ()) for _ in range(4)] == chosen * 2


@pytest.mark.parametrize("count", [2, 3, 10])
def test_two_different_ones_are_compared_and_each_pair_as_often(count: int) -> None:
    chosen = nodes(count)
    for place, node in enumerate(chosen):
        busy(node, place)
    # Each wins against those that are busier, and would win against itself.
    counted = picked(chosen, 20_000)
    pairs = count * (count - 1) / 2
    assert counted == [pytest.approx((count - 1 - place) / pairs * 20_000, abs=400) for place in range(count)]


def test_one_that_was_passed_over_for_being_busier_does_not_make_up_for_it() -> None:
    chosen = nodes(3)
    picker = LeastRequest(random=random.Random(2).random).picker(chosen)
    leases = busy(chosen[0], 1)
    assert picks(picker, 3_000)[chosen[0]] == 0
    for lease in leases:
        lease.done()
    counted = picks(picker, 300)
    assert [counted[node] for node in chosen] == [pytest.approx(100, abs=AHEAD + 3)] * 3
    assert counted[chosen[0]] <= 100


def test_failures_of_late_count_as_requests_in_flight() -> None:
    chosen = nodes(3)
    chosen[0].penalty = 2
    busy(chosen[1], 1)
    busy(chosen[2], 1)
    assert picked(chosen, 3_000)[0] == 0
    chosen[0].penalty = 1
    assert picked(chosen, 3_000) == [pytest.approx(1_000, abs=3)] * 3


def test_loads_stay_close_to_each_other_as_requests_come_and_go() -> None:
    chance, chosen = random.Random(5), nodes(10)
    picker = LeastRequest(random=chance.random).picker(chosen)
    leases = [lease for _ in range(100) for lease in busy(picker.pick(None, ()), 1)]
    for _ in range(5_000):
        leases.pop(chance.randrange(len(leases))).done()
        leases += busy(picker.pick(None, ()), 1)
        # Of 100 requests on 10 endpoints, a random policy would have 20 on one of them now and again.
        assert max(len(node.leases) for node in chosen) <= 15


@pytest.mark.parametrize("seed", range(3))
def test_those_to_avoid_do_not_disturb_the_others(seed: int) -> None:
    chosen = nodes(3)
    picker = LeastRequest(random=random.Random(seed).random).picker(chosen)
    made = [picker.pick(None, {chosen[0].endpoint}) for _ in range(300)]
    assert [made.count(node) for node in chosen] == [0, pytest.approx(150, abs=50), pytest.approx(150, abs=50)]
    counted = picks(picker, 3_000)
    assert [counted[node] for node in chosen] == [pytest.approx(1_000, abs=3)] * 3
