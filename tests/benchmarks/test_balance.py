"""Balance arithmetic against numbers worked out by hand, and relations that hold for any counts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.balance import balance


def test_even_counts_are_perfect() -> None:
    judged = balance({"a": 10, "b": 10, "c": 10}, picks=30)

    assert (judged.max_over_mean, judged.cv, judged.jain, judged.idle_backends) == (1.0, 0.0, 1.0, 0)


def test_one_pod_with_everything() -> None:
    judged = balance({"a": 30, "b": 0, "c": 0}, picks=1)

    assert judged.max_over_mean == 3.0
    assert judged.idle_backends == 2
    assert judged.jain == pytest.approx(1 / 3)
    assert judged.cv == pytest.approx(math.sqrt(2))
    assert judged.noise_floor_cv == pytest.approx(math.sqrt(2))


def test_the_noise_floor_is_that_of_the_picks_and_not_of_the_requests() -> None:
    counts = dict.fromkeys("abcdefghij", 100)

    assert balance(counts, picks=1000).noise_floor_cv == pytest.approx(math.sqrt(9 / 1000))
    assert balance(counts, picks=10).noise_floor_cv == pytest.approx(math.sqrt(9 / 10))


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20).filter(any))
def test_the_numbers_agree_with_each_other(counts: list[int]) -> None:
    judged = balance({str(index): count for index, count in enumerate(counts)}, picks=sum(counts))

    assert 1 <= judged.max_over_mean <= len(counts) + 1e-9
    assert 1 / len(counts) - 1e-9 <= judged.jain <= 1
    assert judged.jain == pytest.approx(1 / (1 + judged.cv**2))
    assert judged.idle_backends == counts.count(0)
