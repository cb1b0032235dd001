"""Weighted round robin: exact shares over a cycle, and spread out within it."""

import collections
import random
import threading

import pytest

from discovery.node import Node
from discovery.policies.weighted_round_robin import SCALE, WeightedRoundRobin
from tests.discovery.policies.served import nodes, picks


@pytest.mark.parametrize("weights", [[1, 3], [1, 1, 1, 1], [5, 1, 1], [3, 5, 15], [1, 5, 17, 255], [1, SCALE]])
@pytest.mark.parametrize("seed", range(3))
def test_over_a_full_cycle_shares_are_exactly_the_weights(weights: list[int], seed: int) -> None:
    # The heaviest of these divides SCALE, so that no weight is rounded.
    chosen = nodes(len(weights), weights=weights)
    picker = WeightedRoundRobin(random=random.Random(seed).random).picker(chosen)
    each = SCALE // max(weights)
    counted = picks(picker, each * sum(weights))
    assert [counted[node] for node in chosen] == [each * weight for weight in weights]


@pytest.mark.parametrize("weights", [[2, 1, 1], [7, 3], [10, 1, 1, 1], [1_000_000, 333_333, 999_999]])
def test_weights_that_have_to_be_rounded_are_as_exact_as_can_be(weights: list[int]) -> None:
    chosen = nodes(len(weights), weights=weights)
    counted = picks(WeightedRoundRobin().picker(chosen), 100_000)
    for node, weight in zip(chosen, weights, strict=True):
        assert counted[node] == pytest.approx(100_000 * weight / sum(weights), abs=3)


@pytest.mark.parametrize("weights", [[1, 3], [3, 1], [1, 1, 2], [2, 1, 1], [1, 1, 1, 1], [1, 1, 6], [9, 1, 1, 1]])
@pytest.mark.parametrize("seed", range(5))
def test_an_endpoint_of_a_fourth_of_the_weight_gets_no_two_of_three_requests_in_a_row(
    weights: list[int], seed: int
) -> None:
    chosen = nodes(len(weights), weights=weights)
    light = {node for node in chosen if 4 * node.endpoint.weight <= sum(weights)}
    picker = WeightedRoundRobin(random=random.Random(seed).random).picker(chosen)
    made = [picker.pick(None, ()) for _ in range(4_000)]
    for three in zip(made, made[1:], made[2:], strict=False):
        assert all(three.count(node) <= 1 for node in light)


@pytest.mark.parametrize("weights", [[1, 3], [2, 1, 1], [3, 1, 2, 2], [5, 4, 3, 2, 1], [100, 1], [20, 1, 1, 1, 1, 1]])
def test_at_each_moment_an_endpoint_is_close_to_its_share(weights: list[int]) -> None:
    chosen = nodes(len(weights), weights=weights)
    picker = WeightedRoundRobin(random=random.Random(2).random).picker(chosen)
    counted = collections.Counter[Node]()
    for count in range(1, 5_000):
        counted[picker.pick(None, ())] += 1
        for node, weight in zip(chosen, weights, strict=True):
            assert abs(counted[node] - count * weight / sum(weights)) < 2


def test_equal_weights_are_round_robin() -> None:
    counted = picks(WeightedRoundRobin().picker(nodes(7, weights=[4] * 7)), 22)
    assert max(counted.values()) - min(counted.values()) <= 1


def test_it_is_exact_under_threads() -> None:
    chosen = nodes(3, weights=[1, 1, 3])
    picker = WeightedRoundRobin().picker(chosen)
    counted: list[collections.Counter[Node]] = []
    threads = [threading.Thread(target=lambda: counted.append(picks(picker, 2_500))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = sum(counted, collections.Counter())
    assert [total[node] for node in chosen] == pytest.approx([4_000, 4_000, 12_000], abs=2)


def test_shares_are_kept_among_those_that_are_not_avoided() -> None:
    chosen = nodes(3, weights=[1, 3, 9])
    picker = WeightedRoundRobin(random=random.Random(4).random).picker(chosen)
    counted = collections.Counter(picker.pick(None, {chosen[2].endpoint}) for _ in range(4_000))
    assert counted[chosen[2]] == 0
    assert counted[chosen[0]] == pytest.approx(1_000, abs=90)
