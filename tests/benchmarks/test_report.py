"""The words and the table that a reader sees."""

import io
from dataclasses import replace

from rich.console import Console

from benchmarks.lab.surroundings import DataPlaneName
from benchmarks.load import Load
from benchmarks.report import report, verdict
from benchmarks.result import JOINED, SCHEMA, Event, Expectation, Result, Run, environment
from benchmarks.summary import not_run, summarize
from tests.benchmarks.test_plan import QUICK
from tests.benchmarks.test_summary import ARM, STEADY, requests

SERVICE_GRPC = replace(ARM, strategy="service-dns", wire="grpc", policy=None)
PINNED = summarize(SERVICE_GRPC, QUICK, replace(STEADY, load=Load(requests("1" * 60), 0), l4=True, connections=1))
JOIN = (Event(1.0, JOINED, ("echo-2",)),)


def test_a_pinned_arm() -> None:
    assert verdict(PINNED) == ("gRPC over the Service (asyncio): 1 of 3 pods got every request", "red")


def test_an_even_arm() -> None:
    assert verdict(summarize(ARM, QUICK, STEADY)) == (
        "HTTP with kubernetes (asyncio): each of 3 pods got its share",
        "green",
    )


def test_a_skewed_arm() -> None:
    skewed = replace(STEADY, load=Load(requests("0001" * 10 + "2" * 20), 0), l4=True, connections=5)

    assert verdict(summarize(replace(ARM, strategy="service-dns"), QUICK, skewed)) == (
        "HTTP over the Service (asyncio): the busiest of 3 pods got 1.50 times its share, on 5 connections",
        "yellow",
    )


def test_an_arm_that_followed_and_one_that_did_not() -> None:
    scaled = replace(ARM, scenario="scale-up")
    followed = summarize(scaled, QUICK, replace(STEADY, load=Load(requests("01" * 50 + "012" * 40), 0), events=JOIN))
    blind = summarize(scaled, QUICK, replace(STEADY, load=Load(requests("01" * 100), 0), events=JOIN))

    assert verdict(followed).text.startswith("HTTP with kubernetes (asyncio): the first request to a new pod after ")
    assert verdict(followed).style == "green"
    assert verdict(blind) == ("HTTP with kubernetes (asyncio): the new pod got nothing", "red")


def test_errors_and_missing_numbers_come_first() -> None:
    failed = summarize(ARM, QUICK, replace(STEADY, load=Load(requests("012x"), 0)))

    assert verdict(failed).text.endswith("1 of 4 requests failed (1 ReadError)")
    assert verdict(not_run(ARM, QUICK, "it died")).text.endswith("not measured: it died")
    assert verdict(failed).style == "yellow"
    assert verdict(not_run(ARM, QUICK, "it died")).style == "red"


def test_a_promise_that_is_broken_is_said() -> None:
    failed = summarize(ARM, QUICK, replace(STEADY, load=Load(requests("012x"), 0)))
    run = replace(failed, expectations=(Expectation("no request fails", held=False), Expectation("even", held=True)))

    assert verdict(run).style == "red"
    assert "broken: no request fails" in text_of(run)
    assert "broken: even" not in text_of(run)


def text_of(*runs: Run, dataplane: DataPlaneName = "nftables") -> str:
    console = Console(width=130, file=io.StringIO(), record=True)
    report(Result(SCHEMA, environment(dataplane), "2026-01-01T00:00:00+00:00", "python", runs), console)
    return console.export_text()


def test_what_there_is_not_here_is_grey_and_says_why() -> None:
    absent = not_run(ARM, QUICK, "it needs DNS", applicable=False)

    assert verdict(absent) == ("HTTP with kubernetes (asyncio): not here: it needs DNS", "bright_black")
    assert "not here: it needs DNS" in text_of(absent)


def test_connections_that_nobody_counted_are_a_dash() -> None:
    uncounted = replace(STEADY, load=Load(requests("0001" * 10 + "2" * 20), 0), l4=False, connections=None)
    run = summarize(ARM, QUICK, uncounted)

    assert run.connections_opened is None
    assert verdict(run).text == "HTTP with kubernetes (asyncio): the busiest of 3 pods got 1.50 times its share"
    assert "None" not in text_of(run)


def test_the_userspace_data_plane_is_said() -> None:
    assert "includes the forwarder" not in text_of(PINNED)
    assert "includes the forwarder" in text_of(PINNED, dataplane="userspace")


def test_the_table_has_a_row_and_a_verdict_for_each_arm() -> None:
    text = text_of(summarize(ARM, QUICK, STEADY), PINNED)

    assert "███" in text
    assert "·█·" in text
    assert text.count("●") == 2
    assert "1 of 3 pods got every request" in text


def test_repeats_share_a_row_of_medians() -> None:
    runs = [
        replace(summarize(replace(ARM, repeat=repeat), QUICK, STEADY), connections_opened=connections)
        for repeat, connections in enumerate((11, 77, 33))
    ]

    text = text_of(*runs)

    assert text.count("●") == 1
    assert " 33 " in text
    assert " 77 " not in text


def test_a_client_that_never_followed_says_never() -> None:
    scaled = replace(ARM, scenario="scale-up")
    blind = summarize(scaled, QUICK, replace(STEADY, load=Load(requests("01" * 100), 0), events=JOIN))

    assert text_of(blind).count("never  ") == 2
