"""What is seen while an arm runs: counts from the client, bars, and whether the client keeps up."""

import io
import multiprocessing
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks import scenarios
from benchmarks.keeping_up import not_keeping_up
from benchmarks.live import Counts, reporting
from benchmarks.load import Request
from benchmarks.progress import Progress, duration, pod_bars
from benchmarks.report import verdict
from benchmarks.summary import summarize
from tests.benchmarks.test_plan import QUICK
from tests.benchmarks.test_summary import ARM, STEADY

RUN = replace(summarize(ARM, QUICK, STEADY), offered_rps=100.0, achieved_rps=100.0, late_sends=0, client_busy=0.1)


def test_a_client_tells_of_what_has_ended_since_it_last_told() -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    ended = [Request(0.0, 0.0, 0.1, "echo-0", None), Request(0.1, 0.1, 0.2, None, "ReadError")]

    with reporting(ended, theirs, wanted=True):
        first = ours.recv()
        ended.append(Request(0.2, 0.2, 0.3, "echo-1", None))
        second = ours.recv()

    assert (first, second) == (Counts({"echo-0": 1}, 1), Counts({"echo-1": 1}, 0))
    assert not ours.poll()


def test_a_client_that_nobody_watches_tells_nothing() -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)

    with reporting([Request(0.0, 0.0, 0.1, "echo-0", None)], theirs, wanted=False):
        assert not ours.poll(0.3)


def test_the_pods_bars_are_in_order_and_as_long_as_their_counts() -> None:
    console = Console(file=io.StringIO(), width=80, record=True)

    console.print(pod_bars(Counter({"echo-10": 25, "echo-2": 100}), errors=3))

    first, second, failed = console.export_text().splitlines()
    assert first.split()[0] == "echo-2"
    assert second.split()[0] == "echo-10"
    assert (first.split()[-1], second.split()[-1], failed.split()) == ("100", "25", ["failed", "3"])


def test_many_pods_leave_room_for_the_rest() -> None:
    console = Console(file=io.StringIO(), width=80, record=True)

    console.print(pod_bars(Counter({f"echo-{number}": 1 for number in range(30)}), errors=0))

    assert "and 18 more pods" in console.export_text()


def test_what_is_no_terminal_gets_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=80)

    with Progress(console, QUICK, [ARM], 2, scenarios.find) as progress:
        assert not progress.live
        progress.begin(ARM)
        progress.count(Counts({"echo-0": 1}, 0))
        progress.end(RUN)

    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.splitlines() == [
        "2 of 3 arms are there; 1 arm to run, about 6 s.",
        "The cluster and its pods start.",
        "  3/3 steady: HTTP with kubernetes (asyncio): each of 3 pods got its share",
    ]


def test_a_terminal_shows_the_pods_while_an_arm_runs() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True)

    with Progress(console, QUICK, [ARM], 0, scenarios.find) as progress:
        assert progress.live
        progress.begin(ARM)
        progress.count(Counts({"echo-0": 7}, 0))

    assert "echo-0" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("seconds", "words"), [(7.4, "7 s"), (-1.0, "0 s"), (325.0, "5 min 20 s"), (11_400.0, "3 h 10 min")]
)
def test_durations_are_as_a_reader_says_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_client_that_keeps_up_or_waits_for_answers_is_no_limit() -> None:
    assert not_keeping_up(RUN) is None
    assert not_keeping_up(replace(RUN, achieved_rps=50.0, dropped=10, client_busy=0.3)) is None
    assert not_keeping_up(replace(RUN, late_sends=6, client_busy=0.99)) is None


@pytest.mark.parametrize("short", [{"achieved_rps": 80.0}, {"dropped": 5}, {"late_sends": 20}])
def test_a_client_that_uses_all_of_its_processor_is_the_limit(short: dict[str, float]) -> None:
    run = replace(RUN, client_busy=0.93, client_processes=2, **short)  # type: ignore[arg-type]

    assert "cannot send its share, at 93% of a processor" in verdict(run).text
    assert "--client-processes 4" in verdict(run).text


def test_sends_that_are_late_though_the_client_has_time_are_the_machines() -> None:
    assert "33% of the requests left late" in (not_keeping_up(replace(RUN, late_sends=20)) or "")
