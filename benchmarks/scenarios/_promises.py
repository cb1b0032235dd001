"""What scenarios promise of a run, in the same words."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import strategies
from benchmarks.arm import named
from benchmarks.load import IN_FLIGHT
from benchmarks.result import Expectation, Run
from benchmarks.strategies import Strategy

_A_FEW = 5
"""Requests by which pods differ at any moment, since least_request lets some have a few turns more than others."""


def strategy(run: Run) -> Strategy:
    """That of the run."""
    return strategies.find(named(run.strategy, run.variant))


def at_most(what: str, value: float, bound: float) -> Expectation:
    """`what`: value, at most bound."""
    return Expectation(f"{what}: {value:.3g}, at most {bound:.3g}", value <= bound)


def at_least(what: str, value: float, bound: float) -> Expectation:
    """`what`: value, at least bound."""
    return Expectation(f"{what}: {value:.3g}, at least {bound:.3g}", value >= bound)


def no_errors(run: Run) -> Expectation:
    """No request fails."""
    return at_most("requests that failed", run.errors or 0, 0)


def few_errors(run: Run) -> Expectation:
    """No more requests fail than were in flight, each of them once."""
    return at_most("requests that failed, of those in flight at the event", run.errors or 0, IN_FLIGHT)


def even(run: Run) -> Expectation:
    """The busiest pod has no more than its share, give or take a tenth and a few requests."""
    answers = (run.requests or 0) - (run.errors or 0)
    bound = 1.1 + _A_FEW * run.replicas / max(1, answers)
    return at_most("the busiest pod's share over the fair one", run.max_over_mean or 0.0, bound)


def errors_after(run: Run, at_s: float) -> int:
    """Requests that were sent from this moment on, and failed."""
    timeline = run.timeline
    assert timeline is not None
    return sum(count for at, count in _bins(timeline.errors, timeline.interval_s) if at >= at_s)


def answers_after(run: Run, at_s: float, pod: str | None = None) -> int:
    """Requests that were sent from this moment on, and answered, by this pod or by any."""
    timeline = run.timeline
    assert timeline is not None
    pods = timeline.by_backend.values() if pod is None else (timeline.by_backend[pod],)
    return sum(count for counts in pods for at, count in _bins(counts, timeline.interval_s) if at >= at_s)


def _bins(counts: list[int], interval_s: float) -> Iterator[tuple[float, int]]:
    return ((number * interval_s, count) for number, count in enumerate(counts))
