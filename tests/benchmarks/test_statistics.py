"""Against tables of the books, and by simulation with fixed seeds."""

import math
from random import Random
from statistics import NormalDist, variance

import pytest

from benchmarks.statistics import Noise, beyond, detectable, holm, interval, moderated, student_above


@pytest.mark.parametrize(
    ("count", "outside", "confidence"),
    # Le Boudec, table A.1, but for the small ones, whose range has 1 - 2^(1-n).
    [(1, 0, 0.0), (3, 0, 0.75), (5, 0, 0.9375), (6, 0, 0.96875), (9, 1, 0.961), (10, 1, 0.979), (20, 5, 0.959)],
)
def test_the_interval_of_a_median_is_that_of_the_tables(count: int, outside: int, confidence: float) -> None:
    found = interval([float(number) for number in range(count)])

    assert (found.low, found.high) == (outside, count - 1 - outside)
    assert found.confidence == pytest.approx(confidence, abs=0.001)
    assert found.median == (count - 1) / 2


def test_intervals_hold_the_median_as_often_as_they_say() -> None:
    random = Random(1)
    found = [interval([random.lognormvariate(0.0, 1.0) for _ in range(9)]) for _ in range(2000)]

    assert sum(each.low <= 1.0 <= each.high for each in found) / 2000 == pytest.approx(found[0].confidence, abs=0.02)


@pytest.mark.parametrize(
    ("freedom", "t", "above"),
    # Fisher and Yates, table III.
    [
        (1, 6.314, 0.05),
        (2, 4.303, 0.025),
        (4, 2.776, 0.025),
        (4, 8.610, 0.0005),
        (10, 3.169, 0.005),
        (30, 3.646, 0.0005),
    ],
)
def test_students_t_is_that_of_the_tables(freedom: int, t: float, above: float) -> None:
    assert student_above(t, freedom) == pytest.approx(above, rel=0.002)
    assert student_above(-t, freedom) == pytest.approx(1 - above, rel=0.002)
    assert student_above(0.0, freedom) == 0.5


def test_with_many_degrees_of_freedom_students_t_is_normal() -> None:
    assert student_above(3.0, 1e6) == pytest.approx(1 - NormalDist().cdf(3.0), rel=1e-4)


def test_holm_is_that_of_his_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()


def test_what_is_known_well_but_small_is_nothing_new() -> None:
    assert beyond(0.04, 0.0001, 10.0, negligible=0.05) > 0.999
    assert beyond(0.06, 0.0001, 10.0, negligible=0.05) < 1e-9
    assert beyond(-0.06, 0.0001, 10.0, negligible=0.05) < 1e-9
    assert beyond(0.05, 0.01, 10.0, negligible=0.05) == pytest.approx(0.5, abs=0.001)


def test_the_least_difference_that_can_be_told() -> None:
    found = detectable(0.02, 8.0, negligible=0.05, level=0.001)

    assert beyond(found, 0.02, 8.0, 0.05) == pytest.approx(0.001, rel=1e-6)
    assert found > 0.05 + 0.02 * 4.5


def drawn(random: Random, deviation: float, freedom: int) -> Noise:
    return Noise(variance([random.gauss(0.0, deviation) for _ in range(freedom + 1)]), freedom)


def test_noises_that_are_alike_are_known_as_one() -> None:
    random = Random(1)

    found = moderated([drawn(random, 1.0, 4) for _ in range(200)])

    assert min(each.freedom for each in found) > 30
    assert min(each.variance for each in found) == pytest.approx(1.0, abs=0.2)


def test_noises_that_differ_borrow_little() -> None:
    random = Random(1)

    found = moderated([drawn(random, math.exp(random.gauss(0.0, 1.5)), 4) for _ in range(200)])

    assert all(4 < each.freedom < 7 for each in found)


def test_no_noise_is_taken_for_smaller_than_it_looks() -> None:
    random = Random(1)
    noises = [*(drawn(random, 1.0, 4) for _ in range(20)), Noise(100.0, 4)]

    found = moderated(noises)

    assert all(after.variance >= before.variance for before, after in zip(noises, found, strict=True))
    assert moderated(noises[:2]) == tuple(noises[:2])
