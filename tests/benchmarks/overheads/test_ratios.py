"""How sure a median of paired ratios is."""

import random

import pytest

from benchmarks.overheads.ratios import paired


# The ranks of the sign test's interval, from tables (Conover, Practical Nonparametric Statistics, A3).
@pytest.mark.parametrize(("rounds", "rank"), [(1, 1), (5, 1), (6, 1), (9, 2), (15, 4), (20, 6), (25, 8)])
def test_the_interval_has_the_ranks_of_the_tables(rounds: int, rank: int) -> None:
    ours = [float(value) for value in range(1, rounds + 1)]
    random.Random(5).shuffle(ours)

    ratio = paired(ours, [1.0] * rounds)

    assert (ratio.low, ratio.high) == (rank, rounds + 1 - rank)
    assert ratio.median == (rounds + 1) / 2


def test_rounds_are_paired() -> None:
    ratio = paired([2.0, 20.0, 200.0], [1.0, 10.0, 100.0])

    assert (ratio.low, ratio.median, ratio.high) == (2.0, 2.0, 2.0)


def test_the_floor_is_the_farther_bound() -> None:
    assert paired([0.9, 1.0, 1.05], [1.0, 1.0, 1.0]).floor == pytest.approx(0.1)


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    source = random.Random(7)
    held = 0
    for _ in range(2000):
        ratio = paired([source.lognormvariate(0.0, 0.2) for _ in range(21)], [1.0] * 21)
        held += ratio.low <= 1.0 <= ratio.high
    assert 0.95 - 0.01 <= held / 2000 <= 0.99
