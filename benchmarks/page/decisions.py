"""Which way to take when: what was measured of each, beside what no measurement tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.page.arms import Arm, arms, ways
from benchmarks.result import Result, Run


class Known(NamedTuple):
    """What is to be known of a strategy besides its numbers.

    take   when
    parts  what has to run and to be allowed
    away   what happens while that is away
    """

    take: str
    parts: str
    away: str


_PODS = "nobody tells of pods that come or go"
KNOWN = {
    "kubernetes": Known(
        "a service calls others in its cluster, over HTTP or gRPC",
        "a Role: list and watch on endpointslices",
        "the last set serves on, failures are noticed, new pods are not",
    ),
    "static": Known("the servers never change, or in a test", "none", _PODS),
    "service-dns": Known(
        "a connection per request, or so many connections that chance evens them out",
        "none",
        "kube-proxy keeps its rules",
    ),
    "headless-dns": Known(
        "the API server may not be asked, and a TTL is soon enough", "a headless Service", "the last answer serves on"
    ),
    "srv-dns": Known(
        "as headless-dns, with ports and weights from DNS", "a headless Service", "the last answer serves on"
    ),
    "file": Known("something else knows the servers and can write a file", "who writes it", "the last list serves on"),
    "registry": Known(
        "servers outside of Kubernetes register themselves",
        "an etcd, and code in each server",
        "the last set serves on; leases end when etcd is back",
    ),
    "grpc-dns": Known(
        "grpc alone, pods that seldom change", "a headless Service", "it hardly asks: only when a connection breaks"
    ),
    "grpc-list": Known("grpc alone, servers that never change", "none", _PODS),
    "grpc-xds": Known(
        "gRPC with thousands of clients, which must not all watch the API server",
        "a control plane",
        "the last assignment serves on",
    ),
    "l7-proxy": Known(
        "many languages, routes and policies for all of them, mTLS",
        "a proxy beside each pod, a control plane",
        "the last configuration serves on",
    ),
}
HEAD = (
    *("way", "take it when", "balances", "p50 ms HTTP / gRPC", "client CPU us HTTP / gRPC"),
    *("new pod after ms", "moving parts", "while these are away"),
)


def rows(result: Result) -> list[Sequence[str]]:
    """A row for each way that keeps its connections, in the order of `KNOWN`; those of other names come last."""
    measured = {name: arms(result, name) for name in ("steady", "scale-up")}
    kept = [way for way in ways([*measured["steady"], *measured["scale-up"]]) if way.mode == "kept"]
    order = list(KNOWN)
    found: list[Sequence[str]] = []
    for way in sorted(kept, key=lambda way: order.index(way.strategy) if way.strategy in KNOWN else len(order)):
        steady, scaled = ([arm for arm in given if arm.way == way] for given in measured.values())
        known = KNOWN.get(way.strategy, Known("", "", ""))
        take = known.take if way.variant is None else "to see what it does"
        found.append(
            (
                str(way),
                take,
                _balances(steady),
                _both(steady, lambda run: run.latency_ms.p50 if run.latency_ms else None, "{:.1f}"),
                _both(steady, lambda run: run.client_cpu_us_per_request, "{:.0f}"),
                _follows(scaled),
                known.parts,
                known.away,
            )
        )
    return found


def _balances(given: Sequence[Arm]) -> str:
    """Requests, or what of the pods was used."""
    numbers = [number for arm in given for run in arm.measured if (number := run.max_over_mean) is not None]
    if not numbers:
        return _why_not(given)
    worst = max(numbers)
    return "each request" if worst <= 1.1 else f"unevenly: up to {worst:.2g} times the share"


def _both(given: Sequence[Arm], number: Callable[[Run], float | None], form: str) -> str:
    return " / ".join(
        _median([arm for arm in given if arm.key.wire == wire], number, form) for wire in ("http", "grpc")
    )


def _median(given: Sequence[Arm], number: Callable[[Run], float | None], form: str) -> str:
    numbers = [value for arm in given for run in arm.measured if (value := number(run)) is not None]
    return form.format(median(numbers)) if numbers else "-"


def _follows(given: Sequence[Arm]) -> str:
    """The slower of the two protocols."""
    runs = [run for arm in given for run in arm.measured]
    if not runs:
        return "-"
    firsts = [run.reaction.first_request_ms if run.reaction else None for run in runs]
    return "never" if any(first is None for first in firsts) else f"{max(filter(None, firsts), default=0):.0f}"


def _why_not(given: Sequence[Arm]) -> str:
    return next((run.reason for arm in given for run in arm.runs if run.reason), "-")
