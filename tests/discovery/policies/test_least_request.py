"""Least request: even when idle, the less loaded when not, and failures are load."""

import itertools
import random

import pytest

from discovery.node import Node
from discovery.policies.least_request import LeastRequest
from tests.discovery.policies.served import busy, nodes, picks


def picked(chosen: list[Node], count: int, seed: int = 1) -> list[int]:
    """How often each, in order."""
    counted = picks(LeastRequest(random=random.Random(seed).random).picker(chosen), count)
    return [counted[node] for node in chosen]


def test_idle_endpoints_are_balanced_exactly() -> None:
    picker = LeastRequest().picker(nodes(7))
    for _ in range(20):
        counted = picks(picker, 10)
        assert max(counted.values()) - min(counted.values()) <= 1


def test_the_less_loaded_of_two_is_preferred() -> None:
    chosen = nodes(2)
    leases = busy(chosen[0], 5)
    assert picked(chosen, 1_000) == [0, 1_000]
    for lease in leases:
        lease.done()
    assert picked(chosen, 1_000) == [500, 500]


def test_a_tie_goes_to_the_one_whose_turn_it_is() -> None:
    chosen = nodes(4)
    picker = LeastRequest(random=lambda: 0.0).picker(chosen)
    assert [picker.pick(None, ()) for _ in range(4)] == chosen


@pytest.mark.parametrize("count", [2, 3, 10])
def test_each_turn_is_compared_with_any_of_the_others_and_never_with_itself(count: int) -> None:
    chosen, others = nodes(count), count - 1
    for node in chosen[:-1]:
        busy(node, 1)
    # One for the start, and then each throw once for each busy one's turn: the idle one takes its turn without.
    throws = itertools.chain(
        [0.0], (((turn + shift) % others + 0.5) / others for shift in range(others) for turn in range(others))
    )
    picker = LeastRequest(random=lambda: next(throws)).picker(chosen)
    counted = picks(picker, count * others)
    assert [counted[node] for node in chosen] == [others - 1] * others + [2 * others]


def test_failures_of_late_count_as_requests_in_flight() -> None:
    chosen = nodes(3)
    chosen[0].penalty = 2
    busy(chosen[1], 1)
    busy(chosen[2], 1)
    assert picked(chosen, 3_000)[0] == 0
    chosen[0].penalty = 1
    assert picked(chosen, 3_000) == [1_000, 1_000, 1_000]


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
def test_those_to_avoid_do_not_disturb_the_rotation_of_the_others(seed: int) -> None:
    chosen = nodes(3)
    picker = LeastRequest(random=random.Random(seed).random).picker(chosen)
    made = [picker.pick(None, {chosen[0].endpoint}) for _ in range(20)]
    assert [made.count(node) for node in chosen] == [0, 10, 10]
