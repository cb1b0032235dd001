"""Results that nobody measured: of every shape that a page must bear, and of the size of a full run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

from hdrh.histogram import HdrHistogram

from benchmarks.arm import Client, Mode, Wire
from benchmarks.page.arms import LONGEST_US
from benchmarks.result import JOINED, SCHEMA, Environment, Event, Expectation, Latency, Reaction, Result, Run, Timeline

HERE = Environment("3.11.9", {"httpx": "0.28.1", "grpcio": "1.70.0"}, 2, "6.1.0", "nftables", "lab")
WIRES: tuple[Wire, ...] = ("http", "grpc")
CLIENTS: tuple[Client, ...] = ("sync", "asyncio")
SCENARIOS = (
    *("steady", "scale-up", "rolling-restart", "pod-kill", "pod-freeze", "slow-pod", "failing-pod", "api-outage"),
    "mixed-cost",
)
STRATEGIES = (
    *("static", "kubernetes", "service-dns", "headless-dns", "srv-dns", "file", "registry", "grpc-dns", "grpc-list"),
    *("grpc-xds", "l7-proxy"),
)
INTERVAL_S = 0.1


def run(
    strategy: str = "kubernetes",
    wire: Wire = "grpc",
    client: Client = "asyncio",
    *,
    scenario: str = "steady",
    shares: Sequence[float] = (1, 1, 1),
    later: Sequence[float] | None = None,
    events: Sequence[Event] = (),
    errors: int = 0,
    mode: Mode = "kept",
    variant: str | None = None,
    repeat: int = 0,
    p50_ms: float = 6.0,
    duration_s: float = 3.0,
) -> Run:
    """A run in which pods answer in proportion to `shares`, and from the first event on to `later`."""
    dice = random.Random(f"{strategy} {wire} {client} {scenario} {repeat}")
    intervals = round(duration_s / INTERVAL_S)
    event_s = events[0].at_s if events else duration_s
    pods = [f"echo-{number}" for number in range(len(later or shares))]
    course = {pod: [0] * intervals for pod in pods}
    for interval in range(intervals):
        now = (later or shares) if interval * INTERVAL_S >= event_s else (*shares, *[0] * (len(pods) - len(shares)))
        for pod, weight in zip(pods, now, strict=True):
            course[pod][interval] = round(weight / (sum(now) or 1) * 60 * dice.uniform(0.9, 1.1)) if any(now) else 0
    by_backend = {pod: sum(counts) for pod, counts in course.items()}
    answered = sum(by_backend.values())
    mean = answered / len(pods)
    failing = [0] * intervals
    for number in range(errors):
        failing[min(intervals - 1, round(event_s / INTERVAL_S) % intervals + number % 3)] += 1
    cv = (sum((count - mean) ** 2 for count in by_backend.values()) / len(pods)) ** 0.5 / mean if mean else None
    scale = dice.choice((0.8, 1.0, 1.25))
    return Run(
        strategy=strategy,
        protocol=wire,
        client=client,
        connections_mode=mode,
        policy=None,
        variant=variant,
        scenario=scenario,
        repeat=repeat,
        status="ok",
        reason=None,
        applicable=True,
        replicas=len(shares),
        warmup_s=1.0,
        duration_s=duration_s,
        offered_rps=600.0,
        achieved_rps=answered / duration_s,
        dropped=0,
        requests=answered + errors,
        errors=errors,
        errors_by_kind={"UNAVAILABLE": errors} if errors else {},
        by_backend=by_backend,
        connections_opened=3,
        dns_queries=0,
        max_over_mean=max(by_backend.values()) / mean if mean else None,
        cv=cv,
        jain=1 / (1 + cv * cv) if cv is not None else None,
        idle_backends=sum(count == 0 for count in by_backend.values()) if mean else None,
        noise_floor_cv=((len(pods) - 1) / answered) ** 0.5 if answered else None,
        latency_ms=Latency(*(p50_ms * scale * factor for factor in (1, 2, 4, 8, 9))) if answered else None,
        latency_histogram=_histogram(p50_ms * scale) if answered else _histogram(0),
        client_cpu_us_per_request=400.0 * scale if answered else None,
        events=tuple(events),
        reaction=_reaction(by_backend, events, dice) if events else None,
        timeline=Timeline(INTERVAL_S, course, failing),
        server_cpu_us_per_request=300.0 * scale if answered else None,
        same_pod_again=1 / len(pods) if mode == "per-request" else 0.0,
        expectations=(Expectation(f"no request fails: {errors}, at most 0", held=not errors),),
    )


def skipped(reason: str, *, applicable: bool, strategy: str = "service-dns", scenario: str = "steady") -> Run:
    return replace(
        Run(**{name: getattr(run(strategy, scenario=scenario), name) for name in list(Run.__dataclass_fields__)[:15]}),
        status="skipped",
        reason=reason,
        applicable=applicable,
    )


def result(*runs: Run) -> Result:
    return Result(SCHEMA, HERE, "2026-01-31T12:00:00+00:00", "python -m benchmarks.compare", runs)


@cache
def varied() -> Result:
    """Of everything something: errors, what is not there, one pod, thirty, no answer at all, names that are markup."""
    join = (Event(1.2, JOINED, tuple(f"echo-{number}" for number in range(3, 10))),)
    rollout = tuple(Event(0.8 + 0.3 * number, what, ("echo-0",)) for number, what in enumerate((JOINED, "left") * 3))
    kill = (Event(1.5, "killed", ("echo-2",)),)
    evil = '<script>alert("&")</script>'
    steady = [
        run(strategy, wire, client, shares=(0, 1, 0) if strategy == "service-dns" else (1, 1, 1), repeat=repeat)
        for strategy, wire, client, repeat in product(("kubernetes", "service-dns", "static"), WIRES, CLIENTS, (0, 1))
    ]
    return result(
        *steady,
        *(run("service-dns", "http", client, mode="per-request", p50_ms=90) for client in CLIENTS),
        *(
            run(
                strategy,
                wire,
                scenario="scale-up",
                events=join,
                later=[1] * 10 if strategy == "kubernetes" else [1] * 3 + [0] * 7,
            )
            for strategy, wire in product(("kubernetes", "static"), WIRES)
        ),
        *(
            run(strategy, wire, scenario="rolling-restart", events=rollout, later=[0.1, 1, 1, 1, 1, 1], errors=errors)
            for (strategy, errors), wire in product((("kubernetes", 0), ("service-dns", 12), ("static", 240)), WIRES)
        ),
        *(run("kubernetes", scenario="pod-kill", events=kill, later=(1, 1, 0), errors=errors) for errors in (3,)),
        skipped("it needs DNS, which there is only in namespaces", applicable=False, scenario="pod-kill"),
        skipped("the client died", applicable=True, strategy="static", scenario="pod-kill"),
        run("kubernetes", scenario="one-pod", shares=(1,)),
        run("static", scenario="thirty-pods", shares=[1] * 29 + [9]),
        run("kubernetes", scenario="no-answers", shares=(0, 0, 0), errors=60),
        run("static", scenario=evil, variant="static:///10.0.0.1:8080,10.0.0.2:8080,10.0.0.3:8080;weight=2"),
        replace(run(evil, scenario=evil, errors=2), errors_by_kind={evil: 2}),
        replace(run("file", scenario=evil), timeline=None, latency_histogram=None, same_pod_again=None),
        skipped(evil, applicable=True, strategy="l7-proxy", scenario=evil),
    )


@cache
def full() -> Result:
    """As many runs as a full one has."""
    return result(*_full())


def _full() -> Iterator[Run]:
    for repeat, scenario, strategy, wire, client in product(range(5), SCENARIOS, STRATEGIES, WIRES, CLIENTS):
        event = () if scenario in {"steady", "mixed-cost"} else (Event(2.0, scenario, ("echo-0",)),)
        yield run(
            strategy,
            wire,
            client,
            scenario=scenario,
            repeat=repeat,
            events=event,
            shares=(1, 1, 1),
            later=[1] * 10 if event else None,
            errors=7 if scenario in {"pod-kill", "failing-pod"} else 0,
            p50_ms=5 + len(strategy),
            duration_s=5.0,
        )


def _reaction(by_backend: dict[str, int], events: Sequence[Event], dice: random.Random) -> Reaction:
    reached = all(by_backend[pod] for pod in events[0].pods)
    first = dice.uniform(3, 40)
    if events[0].what == JOINED:
        return Reaction(first, first * 1.5, None, None) if reached else Reaction(None, None, None, None)
    return Reaction(None, None, first, 1)


@cache
def _histogram(p50_ms: float) -> str:
    histogram = HdrHistogram(1, LONGEST_US, 3)
    dice = random.Random(str(p50_ms))
    for _ in range(1800 if p50_ms else 0):
        histogram.record_value(round(1000 * p50_ms * dice.lognormvariate(0, 0.5)))
    encoded: str = histogram.encode().decode("ascii")
    return encoded
