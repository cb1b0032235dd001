"""Retries: what may be tried again, and how much of it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from discovery.model import Endpoint
from discovery.retries import Ran, RetryBudget, Tries
from discovery.testing import FakeClock

A, B, C = (Endpoint(f"10.0.0.{number}", 80) for number in (1, 2, 3))


def budget(ratio: float = 0.2, min_per_s: float = 0.0, window_s: float = 10.0) -> tuple[RetryBudget, FakeClock]:
    clock = FakeClock(1000.0)
    return RetryBudget(ratio=ratio, min_per_s=min_per_s, window_s=window_s, clock=clock), clock


def spent(under_test: RetryBudget) -> int:
    """All that it gives now."""
    count = 0
    while under_test.spend():
        count += 1
    return count


def requests(under_test: RetryBudget, count: int) -> None:
    for _ in range(count):
        under_test.request()


def test_retries_are_a_share_of_the_requests() -> None:
    under_test, _ = budget()
    assert spent(under_test) == 0
    requests(under_test, 100)
    assert spent(under_test) == 20
    requests(under_test, 4)
    assert spent(under_test) == 0
    requests(under_test, 1)
    assert spent(under_test) == 1


def test_a_few_are_always_allowed() -> None:
    under_test, clock = budget(ratio=0.0, min_per_s=10.0)
    assert spent(under_test) == 100
    clock.advance(9.99)
    assert spent(under_test) == 0
    clock.advance(0.01)
    assert spent(under_test) == 100
    both, _ = budget(min_per_s=1.0)
    requests(both, 50)
    assert spent(both) == 10 + 10


def test_by_default_it_is_finagles() -> None:
    clock = FakeClock()
    under_test = RetryBudget(clock=clock)
    requests(under_test, 1_000)
    assert spent(under_test) == 100 + 200


def test_a_retry_counts_for_as_long_as_a_request_does() -> None:
    under_test, clock = budget()
    given = []
    for _ in range(120):
        requests(under_test, 100)
        clock.advance(1)
        given.append(spent(under_test))
    windows = [sum(given[at : at + 10]) for at in range(len(given) - 10)]
    assert max(windows) <= 200
    assert min(windows[40:]) > 190


def test_requests_are_forgotten_after_the_window() -> None:
    under_test, clock = budget()
    requests(under_test, 1_000)
    clock.advance(10)
    # They may all have come at the beginning, but nobody looked: taken as even over the time that has passed.
    assert spent(under_test) == 200
    clock.advance(10)
    assert spent(under_test) == 0


def test_who_looks_seldom_sees_the_same_rate() -> None:
    under_test, clock = budget()
    for _ in range(10):
        requests(under_test, 6_000)
        clock.advance(60)
        assert spent(under_test) == 200


def test_looking_counts_as_no_request() -> None:
    under_test, _ = budget(ratio=1.0)
    for _ in range(50):
        assert not under_test.spend()
    requests(under_test, 1)
    assert spent(under_test) == 1


def test_threads_get_exactly_what_there_is() -> None:
    under_test, _ = budget(min_per_s=10.0)
    together = threading.Barrier(8)

    def work() -> int:
        together.wait()
        given = 0
        for _ in range(500):
            under_test.request()
            given += under_test.spend()
        return given

    with ThreadPoolExecutor(8) as threads:
        given = sum(future.result() for future in [threads.submit(work) for _ in range(8)])
    given += spent(under_test)
    assert given == 100 + 4_000 * 0.2


@pytest.mark.parametrize("wrong", [{"ratio": -0.1}, {"min_per_s": -1}, {"window_s": 0}])
def test_a_budget_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"RetryBudget\(.*{name}={value}.*positive"):
        RetryBudget(**wrong)  # type: ignore[arg-type]


def test_what_never_ran_is_tried_again_and_what_may_have_run_only_if_that_does_no_harm() -> None:
    plenty, _ = budget(min_per_s=100.0)
    for ran, idempotent, again in (
        (Ran.NO, False, True),
        (Ran.NO, True, True),
        (Ran.MAYBE, True, True),
        (Ran.MAYBE, False, False),
    ):
        assert Tries(plenty, 3).again(A, ran, idempotent=idempotent) is again


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_there_are_so_many_tries_altogether(most: int) -> None:
    plenty, _ = budget(min_per_s=100.0)
    tries, made = Tries(plenty, most), 1
    while tries.again(Endpoint(f"10.0.0.{made}", 80), Ran.NO, idempotent=True):
        made += 1
    assert made == most
    assert [endpoint.host for endpoint in tries.failed] == [f"10.0.0.{number}" for number in range(1, most + 1)]


def test_what_is_not_tried_again_spends_nothing() -> None:
    one, _ = budget(min_per_s=0.1)
    assert not Tries(one, 3).again(A, Ran.MAYBE, idempotent=False)
    assert not Tries(one, 1).again(A, Ran.NO, idempotent=True)
    tries = Tries(one, 5)
    assert tries.again(A, Ran.NO, idempotent=True)
    assert not tries.again(B, Ran.NO, idempotent=True), "the budget is spent"
    assert tries.failed == [A, B]
    assert not Tries(one, 5).again(C, Ran.NO, idempotent=True)
