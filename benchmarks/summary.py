"""From the requests of one arm to its run in the result file. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from hdrh.histogram import HdrHistogram

from benchmarks.arm import Arm
from benchmarks.balance import balance
from benchmarks.load import Load, Request
from benchmarks.plan import Options
from benchmarks.reaction import fair_share_ms, first_request_ms
from benchmarks.result import Event, Latency, Reaction, Run, Timeline

TIMELINE_INTERVAL_S = 0.1
JOINED = "joined"
_LONGEST_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of an arm when it is over.

    pods         every pod that could have answered, idle ones too
    l4           the kernel picked, per connection, and not the client, per request
    cpu_s        processor time of the client while it sent the measured requests
    late_sends   by the client's own fault, see `load.late_with_room`
    client_busy  share of a processor that the client used
    connections  accepted by the pods from this client, None if nobody has counted; `dns_queries` likewise
    """

    load: Load
    pods: tuple[str, ...]
    l4: bool
    cpu_s: float
    connections: int | None
    dns_queries: int | None
    events: tuple[Event, ...]
    late_sends: int = 0
    client_busy: float | None = None


def not_run(arm: Arm, options: Options, reason: str, *, applicable: bool = True) -> Run:
    """The run of an arm that gave no numbers, and why; it is no failure if there is no such arm here."""
    return Run(
        strategy=arm.name,
        protocol=arm.wire,
        client=arm.client,
        connections_mode=arm.mode,
        policy=arm.policy,
        variant=arm.variant,
        scenario=arm.scenario,
        repeat=arm.repeat,
        status="skipped",
        reason=reason,
        applicable=applicable,
        replicas=options.replicas,
        warmup_s=options.warmup_s,
        duration_s=options.duration_s,
        offered_rps=options.rate_rps,
        arrivals=options.arrivals,
        client_processes=options.client_processes,
    )


def summarize(arm: Arm, options: Options, measured: Measured) -> Run:
    """The run of an arm that gave numbers."""
    requests = measured.load.requests
    answered = [request for request in requests if request.backend is not None]
    reaction = _reaction(measured)
    judged = [request for request in answered if request.sent_s >= _settled_s(measured.events, reaction)]
    picks = len(judged)
    if measured.l4 and measured.connections is not None:
        picks = min(measured.connections, picks)
    histogram = _histogram(answered)
    errors = Counter(request.error for request in requests if request.error is not None)
    run = replace(
        not_run(arm, options, ""),
        status="ok",
        reason=None,
        achieved_rps=len(answered) / max(request.done_s for request in answered) if answered else 0.0,
        dropped=measured.load.dropped,
        requests=len(requests),
        errors=errors.total(),
        errors_by_kind=dict(errors),
        by_backend=_by_backend(answered, measured.pods),
        connections_opened=measured.connections,
        dns_queries=measured.dns_queries,
        latency_ms=_latency(histogram) if answered else None,
        latency_histogram=histogram.encode().decode("ascii"),
        client_cpu_us_per_request=measured.cpu_s * 1e6 / len(requests) if requests else None,
        events=measured.events,
        reaction=reaction,
        timeline=_timeline(answered, measured.pods),
        late_sends=measured.late_sends,
        client_busy=measured.client_busy,
    )
    if not picks:
        return run
    return replace(run, **asdict(balance(_by_backend(judged, measured.pods), picks)))


def _by_backend(answered: Iterable[Request], pods: Sequence[str]) -> dict[str, int]:
    counts = Counter(request.backend for request in answered)
    return {pod: counts[pod] for pod in pods}


def _reaction(measured: Measured) -> Reaction | None:
    joins = [event for event in measured.events if event.what == JOINED]
    if not joins:
        return None
    event = joins[0]
    requests = measured.load.requests
    return Reaction(
        first_request_ms=first_request_ms(requests, event.pods, event.at_s),
        fair_share_ms=fair_share_ms(requests, event.pods, len(measured.pods), event.at_s),
        last_request_to_removed_ms=None,
        errors_to_removed=None,
    )


def _settled_s(events: Sequence[Event], reaction: Reaction | None) -> float:
    """The second from which on the balance is judged."""
    if not events:
        return 0.0
    return events[0].at_s + ((reaction and reaction.fair_share_ms) or 0.0) / 1000


def _histogram(answered: Iterable[Request]) -> HdrHistogram:
    histogram = HdrHistogram(1, _LONGEST_US, 3)
    for request in answered:
        histogram.record_value(max(1, round((request.done_s - request.due_s) * 1e6)))
    return histogram


def _latency(histogram: HdrHistogram) -> Latency:
    p50, p90, p99, p999 = (histogram.get_value_at_percentile(p) / 1000 for p in (50, 90, 99, 99.9))
    return Latency(p50, p90, p99, p999, histogram.get_max_value() / 1000)


def _timeline(answered: Sequence[Request], pods: Sequence[str]) -> Timeline:
    last_s = max((request.sent_s for request in answered), default=0.0)
    intervals = math.floor(last_s / TIMELINE_INTERVAL_S) + 1
    by_backend = {pod: [0] * intervals for pod in pods}
    for request in answered:
        if request.backend is not None:
            by_backend[request.backend][math.floor(request.sent_s / TIMELINE_INTERVAL_S)] += 1
    return Timeline(TIMELINE_INTERVAL_S, by_backend)
