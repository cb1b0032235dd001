"""What everybody repeats, and what the numbers make of it."""

from dataclasses import replace

import pytest

from benchmarks.page.claims import claims
from benchmarks.result import Run
from tests.benchmarks.page.synthetic import result, run, skipped

PINNED = run("service-dns", shares=(0, 1, 0))
OURS = run("kubernetes")
KEPT = run("service-dns", "http", shares=(6, 3, 1))
RECONNECTING = replace(run("service-dns", "http", mode="per-request"), same_pod_again=0.34)


def truths(*runs: Run) -> list[str]:
    return [claim.truth for claim in claims(result(*runs))]


def test_what_the_lab_shows_contradicts_all_three() -> None:
    balanced, rotates, mesh = claims(result(KEPT, RECONNECTING, PINNED, OURS))

    assert [claim.truth for claim in (balanced, rotates, mesh)] == ["false", "false", "false"]
    assert "18 times the 0.033" in balanced.answer
    assert "0.340 of the connections" in rotates.answer
    assert "0.333 ± 0.011: it throws dice" in rotates.answer
    assert "1.02 times its share where the client picks, 3.00 over the Service" in mesh.answer
    assert [each.number for each in mesh.evidence if each.what == "busiest / fair"] == ["3.00", "1.02"]


def test_they_would_be_true_of_numbers_that_say_so() -> None:
    even = run("service-dns", "http")
    turning = replace(RECONNECTING, same_pod_again=0.01)
    skewed = run("kubernetes", shares=(6, 3, 1))

    assert truths(even, turning, PINNED, skewed) == ["true", "true", "true"]


def test_errors_of_the_client_that_picks_make_the_mesh_look_needed() -> None:
    assert truths(PINNED, run("kubernetes", errors=9))[2] == "true"


@pytest.mark.parametrize("share", [0.25, 0.6])
def test_dice_that_are_not_even_are_told_apart_from_chance(share: float) -> None:
    (_, rotates, _) = claims(result(replace(RECONNECTING, same_pod_again=share)))

    assert "neither rotates nor throws even dice" in rotates.answer


def test_without_the_arms_nothing_is_claimed() -> None:
    assert truths(run("file", "http")) == ["not measured"] * 3
    assert truths(skipped("it died", applicable=True)) == ["not measured"] * 3
    assert truths(replace(KEPT, by_backend={}, cv=None, same_pod_again=None)) == ["not measured"] * 3
