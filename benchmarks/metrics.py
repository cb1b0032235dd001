"""The numbers of a run by which two results are compared. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from hdrh.histogram import HdrHistogram

from benchmarks.result import Reaction, Run


class Metric(NamedTuple):
    """A number of a run that is compared.

    offset  is added before the logarithm is taken: about what of it matters to nobody
    """

    name: str
    unit: str
    number: Callable[[Run], float | None]
    offset: float = 0.0


def _fastest_tenth_ms(run: Run) -> float | None:
    """The latency that a tenth had at most: what a call takes when it waits for no other, whatever chance does.

    Repeats differ by 1 to 3 % in it where they differ by 10 to 50 % in their medians.
    """
    return _p10_ms(run.latency_histogram) if run.latency_histogram else None


@lru_cache(1024)
def _p10_ms(histogram: str) -> float:
    return float(HdrHistogram.decode(histogram).get_value_at_percentile(10)) / 1000


METRICS = (
    Metric("p10", "ms", _fastest_tenth_ms),
    Metric("p50", "ms", lambda run: run.latency_ms.p50 if run.latency_ms else None),
    Metric("p99", "ms", lambda run: run.latency_ms.p99 if run.latency_ms else None),
    Metric("answers", "/ s", lambda run: run.achieved_rps, 1.0),
    Metric("client CPU", "us", lambda run: run.client_cpu_us_per_request or None),
    Metric("busiest / fair", "", lambda run: run.max_over_mean),
    Metric("errors", "%", lambda run: 100 * (run.errors or 0) / run.requests if run.requests else None, 1.0),
    Metric("first request", "ms", lambda run: _after(run, lambda reaction: reaction.first_request_ms), 1.0),
    Metric("fair share", "ms", lambda run: _after(run, lambda reaction: reaction.fair_share_ms), 1.0),
)


def _after(run: Run, time_ms: Callable[[Reaction], float | None]) -> float | None:
    """What never happened took at least the rest of the run."""
    if run.reaction is None or not run.events:
        return None
    found = time_ms(run.reaction)
    return found if found is not None else max(0.0, run.duration_s - run.events[0].at_s) * 1000
