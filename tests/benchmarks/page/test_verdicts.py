"""A sentence for each way to find the pods."""

from benchmarks.page.verdicts import Verdict, verdicts
from benchmarks.result import JOINED, Event, Run
from tests.benchmarks.page.synthetic import result, run, skipped, varied

JOIN = (Event(1.2, JOINED, ("echo-3", "echo-4")),)


def only(*runs: Run) -> Verdict:
    (verdict,) = verdicts(result(*runs))
    return verdict


def test_both_protocols_share_what_is_true_of_both() -> None:
    verdict = only(run("kubernetes", "http"), run("kubernetes", "grpc"))

    assert verdict.sentence == "Over HTTP and gRPC each of 3 pods got its share; no request failed."
    assert verdict.grade == "good"


def test_each_protocol_has_its_own_where_they_differ() -> None:
    verdict = only(run("service-dns", "http", shares=(6, 3, 1)), run("service-dns", "grpc", shares=(0, 0, 1)))

    assert verdict.sentence.startswith("Over HTTP the busiest of 3 pods got 1.8")
    assert "; over gRPC 1 of 3 pods got every request; " in verdict.sentence
    assert verdict.grade == "bad"


def test_what_new_pods_got() -> None:
    followed = only(run("kubernetes", scenario="scale-up", events=JOIN, later=[1] * 5))
    blind = only(run("static", scenario="scale-up", events=JOIN, later=[1, 1, 1, 0, 0]))

    assert followed.sentence.startswith("Over gRPC new pods had their share after ")
    assert (followed.grade, blind.grade) == ("good", "bad")
    assert blind.sentence.startswith("Over gRPC new pods got nothing; ")


def test_errors_and_broken_expectations_are_told_with_their_scenarios() -> None:
    verdict = only(run("kubernetes"), run("kubernetes", scenario="pod-kill", errors=3))

    assert "requests failed, in pod-kill" in verdict.sentence
    assert "1 broken expectation, in pod-kill" in verdict.sentence
    assert verdict.grade == "bad"


def test_what_was_not_measured_says_why() -> None:
    assert only(skipped("it needs DNS", applicable=False)) == (
        verdicts(result(skipped("it needs DNS", applicable=False)))[0].way,
        "not here: it needs DNS.",
        "none",
    )
    assert only(skipped("it died", applicable=True)).grade == "bad"
    assert (
        "1 of 2 arms were not measured"
        in only(run("static"), skipped("x", applicable=True, strategy="static", scenario="scale-up")).sentence
    )


def test_every_way_has_one_and_no_answers_are_no_division_by_zero() -> None:
    every = verdicts(varied())

    assert len({verdict.way for verdict in every}) == len(every) == 8
    assert only(run("static", shares=(0, 0, 0), errors=5)).sentence.startswith("Over gRPC nothing was answered; ")
