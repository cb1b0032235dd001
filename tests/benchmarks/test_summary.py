"""Requests of an arm to its run."""

import json
from dataclasses import asdict, replace

import pytest
from hdrh.histogram import HdrHistogram

from benchmarks.arm import Arm
from benchmarks.load import Load, Request
from benchmarks.result import JOINED, Event
from benchmarks.summary import Measured, not_run, summarize
from tests.benchmarks.test_plan import QUICK

ARM = Arm("steady", "kubernetes", "http", "asyncio", "kept", "round_robin", 0)
PODS = ("echo-0", "echo-1", "echo-2")


def requests(pods: str, *, latency_s: float = 0.004) -> tuple[Request, ...]:
    """A request every 10 ms; each letter is the number of the pod that answered, or `x` for an error."""
    return tuple(
        Request(
            number / 100,
            number / 100 + 0.001,
            number / 100 + latency_s,
            None if pod == "x" else f"echo-{pod}",
            "ReadError" if pod == "x" else None,
        )
        for number, pod in enumerate(pods)
    )


STEADY = Measured(
    load=Load(requests("012" * 20), dropped=0),
    pods=PODS,
    l4=False,
    cpu_s=0.03,
    connections=3,
    dns_queries=0,
    events=(),
)


def test_a_steady_run() -> None:
    run = summarize(ARM, QUICK, STEADY)

    assert run.status == "ok"
    assert run.by_backend == {"echo-0": 20, "echo-1": 20, "echo-2": 20}
    assert (run.requests, run.errors, run.dropped) == (60, 0, 0)
    assert (run.max_over_mean, run.cv, run.idle_backends) == (1.0, 0.0, 0)
    assert run.achieved_rps == pytest.approx(60 / 0.594)
    assert run.client_cpu_us_per_request == pytest.approx(500)
    assert run.reaction is None


def test_latency_counts_from_when_a_request_was_due() -> None:
    run = summarize(ARM, QUICK, STEADY)

    assert run.latency_ms is not None
    assert run.latency_ms.p50 == pytest.approx(4.0, rel=0.01)
    assert run.latency_histogram is not None
    decoded = HdrHistogram.decode(run.latency_histogram.encode())
    assert decoded.get_total_count() == 60
    assert decoded.get_value_at_percentile(50) / 1000 == run.latency_ms.p50


def test_errors_are_counted_by_kind_and_not_as_answers() -> None:
    run = summarize(ARM, QUICK, replace(STEADY, load=Load(requests("012x" * 10), dropped=7)))

    assert run.errors_by_kind == {"ReadError": 10}
    assert run.by_backend is not None
    assert sum(run.by_backend.values()) == (run.requests or 0) - (run.errors or 0) == 30
    assert run.dropped == 7


def test_the_noise_floor_of_the_kernel_is_that_of_connections() -> None:
    pinned = replace(STEADY, load=Load(requests("1" * 60), 0), l4=True, connections=1)

    run = summarize(ARM, QUICK, pinned)

    assert run.noise_floor_cv == pytest.approx(2**0.5)
    assert (run.max_over_mean, run.idle_backends) == (3.0, 2)


def test_connections_of_the_warm_up_do_not_lower_the_noise_floor() -> None:
    reconnecting = replace(STEADY, l4=True, connections=80)

    assert summarize(ARM, QUICK, reconnecting).noise_floor_cv == pytest.approx((2 / 60) ** 0.5)


def test_of_connections_that_nobody_has_counted_there_is_no_noise_floor() -> None:
    uncounted = replace(STEADY, l4=True, connections=None)

    assert summarize(ARM, QUICK, uncounted).noise_floor_cv is None
    assert summarize(ARM, QUICK, uncounted).cv == 0.0
    assert summarize(replace(ARM, mode="per-request"), QUICK, uncounted).noise_floor_cv is not None


def test_after_an_event_the_balance_is_that_of_what_came_after_the_fair_share() -> None:
    event = Event(1.0, JOINED, ("echo-2",))
    followed = replace(STEADY, load=Load(requests("01" * 50 + "012" * 40), 0), events=(event,))

    run = summarize(ARM, QUICK, followed)

    assert run.reaction is not None
    assert run.reaction.fair_share_ms is not None
    assert run.max_over_mean == pytest.approx(1.0, abs=0.02)
    assert run.by_backend == {"echo-0": 90, "echo-1": 90, "echo-2": 40}
    assert (run.reaction.last_request_to_removed_ms, run.reaction.errors_to_removed) == (None, None)


def test_without_a_fair_share_the_balance_is_that_of_what_came_after_the_event() -> None:
    event = Event(1.0, JOINED, ("echo-2",))
    blind = replace(STEADY, load=Load(requests("2" * 90 + "01" * 50), 0), events=(event,))

    run = summarize(ARM, QUICK, blind)

    assert run.reaction is not None
    assert run.reaction.fair_share_ms is None
    assert run.max_over_mean == pytest.approx(1.5)
    assert run.idle_backends == 1


def test_the_timeline_holds_every_answer() -> None:
    run = summarize(ARM, QUICK, STEADY)

    assert run.timeline is not None
    assert {pod: sum(counts) for pod, counts in run.timeline.by_backend.items()} == run.by_backend
    assert len({len(counts) for counts in run.timeline.by_backend.values()}) == 1


def test_a_run_in_which_nothing_was_answered() -> None:
    run = summarize(ARM, QUICK, replace(STEADY, load=Load(requests("x" * 10), 0)))

    assert (run.errors, run.achieved_rps, run.latency_ms, run.max_over_mean) == (10, 0.0, None, None)
    json.dumps(asdict(run), allow_nan=False)


def test_an_arm_that_was_not_run() -> None:
    run = not_run(ARM, QUICK, "the client process died, exit status -9")

    assert (run.status, run.reason) == ("skipped", "the client process died, exit status -9")
    assert run.requests is None
