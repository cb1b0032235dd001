"""The reaction to an event, on requests made by hand: one every 10 ms, and an event at 1 s."""

from collections.abc import Callable

import pytest

from benchmarks.load import Request
from benchmarks.reaction import fair_share_ms, first_request_ms

NEW = frozenset({"c", "d"})


def requests(backend: Callable[[int], str | None], *, count: int = 200) -> list[Request]:
    """`backend` gives the pod of the request sent at that many hundredths of a second, or None for an error."""
    made = []
    for number in range(count):
        pod = backend(number)
        at_s = number / 100
        made.append(Request(at_s, at_s, at_s + 0.005, pod, None if pod else "error"))
    return made


def test_a_client_that_never_follows() -> None:
    pinned = requests(lambda _: "a")

    assert first_request_ms(pinned, NEW, 1.0) is None
    assert fair_share_ms(pinned, NEW, 4, 1.0) is None


def test_a_client_that_follows_at_once() -> None:
    rotating = requests(lambda number: "ab"[number % 2] if number < 102 else "abcd"[number % 4])

    assert first_request_ms(rotating, NEW, 1.0) == pytest.approx(20.0)
    assert fair_share_ms(rotating, NEW, 4, 1.0) == pytest.approx(20.0)


def test_the_fair_share_comes_later_than_the_first_request() -> None:
    def backend(number: int) -> str:
        if number < 110:
            return "a"
        return "abcd"[number % 4] if number >= 150 else ("c" if number == 110 else "a")

    slow = requests(backend)

    assert first_request_ms(slow, NEW, 1.0) == pytest.approx(100.0)
    share_ms = fair_share_ms(slow, NEW, 4, 1.0)
    assert share_ms is not None
    assert 400 < share_ms <= 520


def test_a_trickle_is_no_fair_share() -> None:
    trickle = requests(lambda number: "c" if number % 5 == 0 else "a")

    assert first_request_ms(trickle, NEW, 1.0) == 0.0
    assert fair_share_ms(trickle, NEW, 4, 1.0) is None


def test_a_window_must_lie_inside_the_run() -> None:
    late = requests(lambda number: "a" if number < 190 else "c")

    assert first_request_ms(late, NEW, 1.0) == pytest.approx(900.0)
    assert fair_share_ms(late, NEW, 4, 1.0, window_s=0.25) is None


def test_errors_are_neither_new_nor_old() -> None:
    failing = requests(lambda number: None if number % 2 else "abcd"[number // 2 % 4])

    assert fair_share_ms(failing, NEW, 4, 1.0) == 0.0


def test_acting_on_an_earlier_write_counts_as_at_once() -> None:
    early = requests(lambda number: "c" if number == 95 else "a")

    assert first_request_ms(early, NEW, 1.0) == 0.0


def test_no_requests() -> None:
    assert first_request_ms([], NEW, 1.0) is None
    assert fair_share_ms([], NEW, 4, 1.0) is None
