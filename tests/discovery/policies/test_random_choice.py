"""Random: each endpoint as likely as the next, and each pick whatever the last one was."""

import collections
import itertools
import random

import pytest

from discovery.node import Node
from discovery.policies.random_choice import Random
from tests.discovery.policies.served import nodes, picks

CRITICAL = {2: 13.816, 9: 27.877, 24: 51.179, 99: 148.230}
"""By degrees of freedom, the chi-square that is exceeded with p = 0.001; from any table of it."""


def chi_square(counted: collections.Counter[Node], of: list[Node]) -> float:
    expected = sum(counted.values()) / len(of)
    return sum((counted[node] - expected) ** 2 / expected for node in of)


@pytest.mark.parametrize("count", [3, 10, 100])
@pytest.mark.parametrize("seed", range(3))
def test_picks_are_uniform(count: int, seed: int) -> None:
    chosen = nodes(count)
    picker = Random(random=random.Random(seed).random).picker(chosen)
    assert chi_square(picks(picker, 200 * count), chosen) < CRITICAL[count - 1]


def test_picks_follow_each_other_without_a_pattern() -> None:
    chosen = nodes(5)
    picker = Random(random=random.Random(7).random).picker(chosen)
    made = [picker.pick(None, ()) for _ in range(10_001)]
    pairs = collections.Counter(itertools.pairwise(made))
    expected = 10_000 / 25
    statistic = sum((pairs[one, other] - expected) ** 2 / expected for one in chosen for other in chosen)
    assert statistic < CRITICAL[24]
    # Round robin would be as even, and fail here.
    assert len(pairs) == 25


def test_those_that_are_not_avoided_are_as_likely_as_each_other() -> None:
    chosen = nodes(4)
    picker = Random(random=random.Random(3).random).picker(chosen)
    counted = collections.Counter(picker.pick(None, [chosen[0].endpoint]) for _ in range(3_000))
    assert counted[chosen[0]] == 0
    assert chi_square(counted, chosen[1:]) < CRITICAL[2]
