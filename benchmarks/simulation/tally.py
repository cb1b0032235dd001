"""From requests to numbers. Pure."""

from __future__ import annotations

import bisect
import collections
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmarks.balance import Balance, balance
from benchmarks.simulation.findings import Line
from benchmarks.simulation.server import Request, Server


class Latency(NamedTuple):
    """Milliseconds."""

    p50: float
    p99: float
    max: float


def latency_ms(requests: Iterable[Request]) -> Latency:
    """Exact, not from a histogram; there is at least one request."""
    taken = sorted(request.latency_s * 1000 for request in requests)
    return Latency(_quantile(taken, 0.5), _quantile(taken, 0.99), taken[-1])


def slower_than(label: str, requests: Iterable[Request]) -> Line:
    """The share of requests that took longer, over milliseconds: from a half down to one in ten thousand."""
    taken = sorted(request.latency_s * 1000 for request in requests)
    shares = [10 ** (-step / 10) for step in range(3, 41)]
    return Line(label, [_quantile(taken, 1 - share) for share in shares], shares)


def _quantile(taken: Sequence[float], share: float) -> float:
    return taken[min(len(taken) - 1, int(share * len(taken)))]


def between(requests: Sequence[Request], begin_s: float, end_s: float) -> Sequence[Request]:
    """Those that were due from `begin_s` on and before `end_s`; they are in the order of that."""
    begin, end = (bisect.bisect_left(requests, at_s, key=lambda request: request.due_s) for at_s in (begin_s, end_s))
    return requests[begin:end]


def percent(requests: Sequence[Request], server: Server) -> float:
    """The part of them that the server got."""
    return 100 * sum(request.server is server for request in requests) / len(requests)


def percent_over_time(
    label: str, requests: Sequence[Request], server: Server, begin_s: float, end_s: float, step_s: float
) -> Line:
    """The part that the server got in each interval, over the middle of it, counted from `begin_s`."""
    middles = [step_s * (number + 0.5) for number in range(round((end_s - begin_s) / step_s))]
    return Line(
        label,
        middles,
        [
            percent(between(requests, begin_s + middle - step_s / 2, begin_s + middle + step_s / 2), server)
            for middle in middles
        ],
    )


def evenness(requests: Iterable[Request], servers: Iterable[Server]) -> Balance:
    """How evenly the servers were used, those without any request included."""
    counted = collections.Counter(request.server for request in requests)
    return balance({server.endpoint.name: counted[server] for server in servers}, counted.total())
