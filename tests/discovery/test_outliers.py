"""Outliers: counters and a clock in, decisions out."""

from __future__ import annotations

import pytest

from discovery.outliers import UNKNOWN, Health, Mark, Outliers, Phase

USUAL = Outliers()


def fail(health: Health, consecutive: int, at: float = 0.0, *, room: bool = True, outliers: Outliers = USUAL) -> Health:
    return outliers.failed(health, consecutive, Mark(at, 0, consecutive), room=room)


def test_five_failures_in_a_row_eject() -> None:
    health = UNKNOWN
    for consecutive in range(1, 5):
        health = fail(health, consecutive)
        assert health.phase is Phase.IN
    assert fail(health, 5).phase is Phase.EJECTED


def test_without_room_nothing_is_ejected_and_with_room_the_next_failure_does_it() -> None:
    assert fail(UNKNOWN, 9, room=False).phase is Phase.IN
    assert fail(fail(UNKNOWN, 9, room=False), 10).phase is Phase.EJECTED


def course(*, seconds: float, failing: float, requests: int = 100, outliers: Outliers = USUAL) -> list[Health]:
    """What an endpoint comes to of whose requests that share fails, evenly and never twice in a row."""
    health, successes, failures, states = UNKNOWN, 0, 0, []
    for number in range(1, requests + 1):
        if int(number * failing) > int((number - 1) * failing):
            failures += 1
            health = outliers.failed(health, 1, Mark(number * seconds / requests, successes, failures), room=True)
        else:
            successes += 1
        states.append(health)
        if health.ejected:
            break
    return states


def test_a_success_rate_below_four_of_five_ejects() -> None:
    assert not course(seconds=20, failing=0.19)[-1].ejected
    assert course(seconds=20, failing=0.3)[-1].ejected


def test_a_few_requests_are_no_rate() -> None:
    states = course(seconds=20, failing=0.4)
    # The first failure begins the window; of the next 20 requests two in five fail.
    assert states[-1].ejected
    assert 21 <= len(states) <= 25
    assert not course(seconds=20, failing=0.4, requests=19)[-1].ejected
    assert len(course(seconds=20, failing=0.4, outliers=Outliers(volume=5))) < 12


def test_successes_of_before_the_window_do_not_excuse() -> None:
    health, before = UNKNOWN, Mark(0.0, 0, 1)
    health = USUAL.failed(health, 1, before, room=True)
    for number in range(1, 40):
        mark = Mark(100 + number / 10, 10_000 + number, 1 + number)
        health = USUAL.failed(health, 1, mark, room=True)
    assert health.ejected


def test_the_window_moves_on_by_half_of_it() -> None:
    health, moments = UNKNOWN, [0.0, 16.0, *(31.0 + number / 10 for number in range(20))]
    for number, at in enumerate(moments):
        assert not health.ejected
        health = USUAL.failed(health, 1, Mark(at, 1_000 if at > 0 else 0, number + 1), room=True)
    # The successes of the first half do not excuse the twenty failures after it.
    assert health.ejected


@pytest.mark.parametrize("spread_s", [46.0, 100.0])
def test_failures_of_before_the_window_do_not_count(spread_s: float) -> None:
    health = UNKNOWN
    for number in range(100):
        # One failure, then a success: half of them fail, and fewer than 20 in any window of 45 s.
        health = USUAL.failed(health, 1, Mark(number * spread_s / 10, number, number + 1), room=True)
    assert not health.ejected


def test_an_ejection_lasts_twice_as_long_each_time_up_to_the_longest() -> None:
    durations = []
    health = UNKNOWN
    for _ in range(9):
        health = fail(health, 5)
        durations.append(USUAL.duration_s(health, 0.0))
        assert fail(health, 6) == health, "what fails while it is ejected was under way before"
        health = USUAL.due(health)
        assert health.phase is Phase.PROBED
    assert durations == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_durations_have_jitter_of_a_half() -> None:
    health = Health(Phase.EJECTED, ejections=3)
    assert USUAL.duration_s(health, 0.0) == 4.0
    assert USUAL.duration_s(health, 0.5) == 3.0
    assert USUAL.duration_s(health, 0.999) == pytest.approx(2.0, abs=0.01)
    assert USUAL.duration_s(Health(Phase.EJECTED, ejections=10_000), 0.0) == 60.0


def test_a_success_readmits_only_who_is_probed() -> None:
    ejected = fail(UNKNOWN, 5)
    assert USUAL.succeeded(ejected, 1.0) == ejected
    readmitted = USUAL.succeeded(USUAL.due(ejected), 2.0)
    assert (readmitted.phase, readmitted.ejections, readmitted.readmitted_at) == (Phase.IN, 1, 2.0)
    assert USUAL.succeeded(UNKNOWN, 1.0) == UNKNOWN
    assert USUAL.due(UNKNOWN) == UNKNOWN


@pytest.mark.parametrize(("well_for_s", "ejections"), [(60.0, 4), (60.1, 1)])
def test_who_did_well_for_longer_than_any_ejection_begins_anew(well_for_s: float, ejections: int) -> None:
    readmitted = Health(ejections=3, readmitted_at=100.0)
    assert fail(readmitted, 5, at=100.0 + well_for_s).ejections == ejections


def test_a_failed_probe_is_a_longer_ejection_whatever_the_cap_says() -> None:
    probed = USUAL.due(fail(UNKNOWN, 5))
    again = fail(probed, 6, room=False)
    assert (again.phase, again.ejections) == (Phase.EJECTED, 2)


@pytest.mark.parametrize(
    ("count", "most"), [(1, 1), (2, 1), (9, 1), (10, 1), (19, 1), (20, 2), (99, 9), (100, 10), (1000, 100)]
)
def test_a_tenth_may_be_ejected_and_at_least_one(count: int, most: int) -> None:
    assert USUAL.cap(count) == most


def test_panic_is_below_half() -> None:
    assert USUAL.in_panic(4, 9)
    assert not USUAL.in_panic(5, 10)
    assert USUAL.in_panic(0, 1)
    assert not Outliers(panic_below=0).in_panic(0, 1)


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("consecutive", 0, "at least 1"),
        ("success_rate", 1.01, "between 0 and 1"),
        ("success_rate", -0.1, "between 0 and 1"),
        ("window_s", 0, "at least 0.001"),
        ("volume", 0, "at least 1"),
        ("first_s", 0, "at least 0.001"),
        ("longest_s", 0.5, "at least 1.0"),
        ("most", 1.5, "between 0 and 1"),
        ("most", -1, "between 0 and 1"),
        ("panic_below", 2, "between 0 and 1"),
        ("penalty_s", -1, "at least 0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_with_its_bounds(name: str, value: float, bounds: str) -> None:
    with pytest.raises(ValueError, match=rf"^Outliers\({name}={value}\): it must be {bounds}$"):
        Outliers(**{name: value})  # type: ignore[arg-type]


def test_the_extremes_are_allowed() -> None:
    assert Outliers(success_rate=0, most=0, panic_below=0, penalty_s=0) != USUAL
    assert Outliers(success_rate=1, most=1, panic_below=1, first_s=60) != USUAL
