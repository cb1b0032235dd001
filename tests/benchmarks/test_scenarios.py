"""Scenarios: what each tells and promises, and a few played in a lab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import scenarios
from benchmarks.load import Load, Request
from benchmarks.result import JOINED, KILLED, Event, Result, Run
from benchmarks.summary import Measured, summarize
from tests.benchmarks.test_compare import compare
from tests.benchmarks.test_plan import QUICK
from tests.benchmarks.test_summary import ARM

PODS = ("echo-0", "echo-1", "echo-2")


def played(name: str, backends: str, *events: Event, **changed: str) -> Run:
    """A run of a hundred requests a second, of which each answer is one of `backends`, x for none."""
    requests = [
        Request(
            at / 100, at / 100, at / 100 + 0.005, None if each == "x" else f"echo-{each}", "E" if each == "x" else None
        )
        for at, each in enumerate(backends)
    ]
    pods = tuple(dict.fromkeys((*PODS, *(pod for event in events for pod in event.pods))))
    measured = Measured(Load(tuple(requests), 0), pods, False, 0.1, None, None, events)
    return summarize(replace(ARM, scenario=name, **changed), QUICK, measured)  # type: ignore[arg-type] # all are words


def broken(run: Run) -> list[str]:
    return [promise.text for promise in scenarios.find(run.scenario).expectations(run) if not promise.held]


@pytest.mark.parametrize("name", scenarios.names())
def test_each_scenario_tells_what_happens_and_what_it_teaches(name: str) -> None:
    scenario = scenarios.find(name)
    assert scenario.title.partition(":")[0].lower().replace(" ", "-") == name
    assert scenario.teaches.endswith((".", ".)"))
    assert scenario.spare_pods >= 0


def test_steady_promises_no_error_and_the_balance_of_the_strategy() -> None:
    assert broken(played("steady", "012" * 50)) == []
    assert broken(played("steady", "012" * 49 + "01x")) == ["requests that failed: 1, at most 0"]
    assert broken(played("steady", "001" * 50)) == ["the busiest pod's share over the fair one: 2, at most 1.2"]
    assert broken(played("steady", "0" * 150, strategy="service-dns", wire="grpc")) == []
    pinned = broken(played("steady", "012" * 50, strategy="service-dns", wire="grpc"))
    assert pinned == ["the busiest pod's share over the fair one: 1, at least 2.97"]


def test_scale_up_promises_news_to_those_who_watch_and_none_to_a_list() -> None:
    joined = Event(0.5, JOINED, ("echo-3",))
    assert broken(played("scale-up", "012" * 17 + "0123" * 20, joined)) == []
    assert broken(played("scale-up", "012" * 50, joined)) == [
        "ms until a new pod has its first request: inf, at most 250"
    ]
    assert broken(played("scale-up", "012" * 50, joined, strategy="static")) == []
    assert broken(played("scale-up", "012" * 20 + "3" * 50, joined, strategy="static")) == ["the new pods get nothing"]


def test_a_pod_that_is_killed_costs_what_was_in_flight_and_no_request_that_may_be_repeated() -> None:
    killed = Event(0.5, KILLED, ("echo-2",))
    assert broken(played("pod-kill", "012" * 17 + "01" * 50, killed)) == []
    assert broken(played("pod-kill", "012" * 17 + "xx" + "01" * 50, killed, wire="http")) != []
    assert broken(played("pod-kill", "012" * 17 + "xx" + "01" * 50, killed, wire="grpc")) == []
    assert broken(played("pod-kill", "012" * 17 + "x" * 11 + "01" * 50, killed, wire="grpc")) != []
    assert broken(played("pod-kill", "012" * 17 + "x" * 50, killed, strategy="service-dns")) == []


def test_the_balance_after_a_kill_is_that_of_the_pods_that_live() -> None:
    run = played("pod-kill", "012" * 17 + "01" * 50, Event(0.5, KILLED, ("echo-2",)))
    assert run.max_over_mean == pytest.approx(1.0, abs=0.02)
    assert run.idle_backends == 0
    assert run.reaction is not None
    assert (run.reaction.errors_to_removed, run.reaction.first_request_ms) == (0, None)


def test_errors_are_in_the_timeline_and_pods_that_follow_each_other_are_counted() -> None:
    run = played("steady", "0" * 10 + "x" * 10 + "01" * 5)
    assert run.timeline is not None
    assert run.timeline.errors == [0, 10, 0]
    assert run.same_pod_again == pytest.approx(10 / 19)


LONG = [
    pytest.param(name, wire, marks=pytest.mark.soak)
    for name in scenarios.names()
    for wire in ("http", "grpc")
    if (name, wire) != ("pod-kill", "http")
]


@pytest.mark.parametrize(("scenario", "wire"), [("pod-kill", "http"), *LONG])
def test_who_watches_bears_it(scenario: str, wire: str, folder: Path) -> None:
    done = compare(
        *["--strategies", "kubernetes", "--protocols", wire, "--clients", "asyncio", "--scenarios", scenario],
        *["--rate", "100", "--duration", "4", "--repeats", "1", "--output", str(folder)],
    )
    result = Result.read(folder / "result.json")
    (run,) = result.runs
    assert [promise.text for promise in run.expectations if not promise.held] == [], done.stdout + done.stderr
    assert run.expectations
    assert run.events or scenario in {"steady", "mixed-cost"}
    assert done.returncode == 0
    assert json.loads((folder / "result.json").read_text())["runs"][0]["scenario"] == scenario
