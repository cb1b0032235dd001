"""When requests are due."""

import math
from itertools import pairwise
from statistics import mean, pstdev

import pytest

from benchmarks.arrivals import ARRIVALS, Arrivals, due_times, share


def test_constant_arrivals_are_as_many_as_the_time_holds_evenly() -> None:
    times = due_times("constant", 600.0, 1.8, "any")

    assert len(times) == 1080
    assert times == tuple(number / 600 for number in range(1080))


def test_poisson_arrivals_have_exponential_gaps_of_the_same_mean() -> None:
    times = due_times("poisson", 600.0, 100.0, "seed")

    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) == pytest.approx(60_000, abs=5 * math.sqrt(60_000))
    assert mean(gaps) == pytest.approx(1 / 600, rel=0.03)
    assert pstdev(gaps) == pytest.approx(1 / 600, rel=0.03)
    assert sum(gap > 1 / 600 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-1), rel=0.03)


def test_the_seed_decides_and_it_alone() -> None:
    assert due_times("poisson", 100.0, 1.0, "a") == due_times("poisson", 100.0, 1.0, "a")
    assert due_times("poisson", 100.0, 1.0, "a") != due_times("poisson", 100.0, 1.0, "b")


@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_clients_that_share_a_load_send_what_one_would(arrivals: Arrivals) -> None:
    times = due_times(arrivals, 100.0, 1.0, "seed")

    shares = [share(times, number, 3) for number in range(3)]

    assert sorted(at for each in shares for at in each) == list(times)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
