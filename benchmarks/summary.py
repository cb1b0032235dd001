"""From the requests of one arm to its run in the result file. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

from hdrh.histogram import HdrHistogram

from benchmarks.arm import Arm
from benchmarks.balance import balance
from benchmarks.load import Load, Request
from benchmarks.plan import Options
from benchmarks.reaction import fair_share_ms, first_request_ms, last_request_ms
from benchmarks.result import GONE, JOINED, Event, Latency, Reaction, Run, Timeline

TIMELINE_INTERVAL_S = 0.1
_LONGEST_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of an arm when it is over.

    pods         every pod that could have answered, idle ones too
    l4           the kernel picked, per connection, and not the client, per request
    cpu_s        processor time of the client while it sent the measured requests
    served_s     that of the pods meanwhile, None where nobody can tell
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
    served_s: float | None = None
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
    settled_s = _settled_s(measured.events, reaction)
    gone = {pod for event in measured.events if event.what in GONE for pod in event.pods}
    pods = [pod for pod in measured.pods if pod not in gone]
    judged = [request for request in answered if request.sent_s >= settled_s and request.backend in pods]
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
        timeline=_timeline(requests, measured.pods),
        server_cpu_us_per_request=_each_us(measured.served_s, len(answered)),
        same_pod_again=_same_again(answered),
        late_sends=measured.late_sends,
        client_busy=measured.client_busy,
    )
    if not picks:
        return run
    run = replace(run, **asdict(balance(_by_backend(judged, pods), picks)))
    is_counted = not measured.l4 or measured.connections is not None or arm.mode == "per-request"
    return run if is_counted else replace(run, noise_floor_cv=None)


def _by_backend(answered: Iterable[Request], pods: Sequence[str]) -> dict[str, int]:
    counts = Counter(request.backend for request in answered)
    return {pod: counts[pod] for pod in pods}


def _reaction(measured: Measured) -> Reaction | None:
    """To the first pods that joined, and to the first that went."""
    requests = measured.load.requests
    joined = next((event for event in measured.events if event.what == JOINED), None)
    gone = next((event for event in measured.events if event.what in GONE), None)
    if joined is None and gone is None:
        return None
    living = {pod for pod in measured.pods if gone is None or pod not in gone.pods}
    return Reaction(
        first_request_ms=first_request_ms(requests, joined.pods, joined.at_s) if joined else None,
        fair_share_ms=fair_share_ms(requests, joined.pods, len(living), joined.at_s) if joined else None,
        last_request_to_removed_ms=last_request_ms(requests, gone.pods, gone.at_s) if gone else None,
        errors_to_removed=sum(each.error is not None and each.done_s >= gone.at_s for each in requests)
        if gone
        else None,
    )


def _settled_s(events: Sequence[Event], reaction: Reaction | None) -> float:
    """The second from which on the balance is judged: after the last change, and after a fair share that came later."""
    changes = [event.at_s for event in events if event.pods]
    if not changes:
        return 0.0
    fair_ms = (reaction and reaction.fair_share_ms) or 0.0
    return max(changes[-1], changes[0] + fair_ms / 1000)


def _each_us(seconds: float | None, count: int) -> float | None:
    return seconds * 1e6 / count if seconds is not None and count else None


def _same_again(answered: Sequence[Request]) -> float | None:
    """The share of answers by the pod that gave the one before, in the order of sending."""
    pods = [request.backend for request in sorted(answered, key=lambda request: request.sent_s)]
    return sum(one == other for one, other in pairwise(pods)) / (len(pods) - 1) if len(pods) > 1 else None


def _histogram(answered: Iterable[Request]) -> HdrHistogram:
    histogram = HdrHistogram(1, _LONGEST_US, 3)
    for request in answered:
        histogram.record_value(max(1, round((request.done_s - request.due_s) * 1e6)))
    return histogram


def _latency(histogram: HdrHistogram) -> Latency:
    p50, p90, p99, p999 = (histogram.get_value_at_percentile(p) / 1000 for p in (50, 90, 99, 99.9))
    return Latency(p50, p90, p99, p999, histogram.get_max_value() / 1000)


def _timeline(requests: Sequence[Request], pods: Sequence[str]) -> Timeline:
    last_s = max((request.sent_s for request in requests), default=0.0)
    intervals = math.floor(last_s / TIMELINE_INTERVAL_S) + 1
    by_backend, errors = {pod: [0] * intervals for pod in pods}, [0] * intervals
    for request in requests:
        counts = errors if request.backend is None else by_backend[request.backend]
        counts[math.floor(request.sent_s / TIMELINE_INTERVAL_S)] += 1
    return Timeline(TIMELINE_INTERVAL_S, by_backend, errors)
