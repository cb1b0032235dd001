"""`two-choices`: `least_request` against the plain power of two choices."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.simulation.findings import Cell, Chart, Expectation, Findings, Line, Table
from benchmarks.simulation.plain import TwoAtRandom
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.tally import Latency, between, latency_ms
from benchmarks.simulation.world import Dice, Traffic, World
from discovery.policies import Policy

SHAPES: dict[str, tuple[tuple[float, ...], int]] = {
    "even": ((1.0,), 1),
    "bursts": ((1.0,), 10),
    "uneven": ((1.0, 1.5, 2.0, 3.0), 1),
    "one slow": ((10.0, *(1.0,) * 99), 1),
}
"""How slow the endpoints are, in turn, and how many requests come at once."""
LOADS = (0.3, 0.5, 0.7, 0.9)
CLIENTS = (1, 10, 100)
REQUESTS = {3: 3000, 10: 6000, 100: 12000}
"""Of one run, by the number of endpoints."""
WARM = 0.2
"""The share of a run that is not judged."""
ROUNDS = 10
SIGMAS = 3.0
HOW = {"alike": ("even", "bursts"), "different": ("uneven", "one slow")}


class Case(NamedTuple):
    shape: str
    clients: int
    endpoints: int
    load: float


class Logs(NamedTuple):
    """Of the ratios of two latencies, `least_request`'s over the plain one's: 0 is the same."""

    p50: float
    p99: float
    max: float


Measured = Mapping[Case, Sequence[Logs]]
"""For each case one for each round, and so for each seed."""


class TwoChoices(Scenario):
    title = "`least_request` against the plain power of two choices"
    about = f"""\
Both compare two different endpoints at random. Where these have as many requests in flight, the plain one takes
either, and `least_request` the one that has had fewer turns. Numbers are ratios, below 1 where `least_request` is
better: means (geometric) and the worst over 3, 10 and 100 endpoints and loads of 30, 50, 70 and 90 % of what these can
do. *bursts*: each client sends ten at once; *uneven*: the endpoints are 1, 1.5, 2 and 3 times as slow as the fastest;
*one slow*: one is ten times slower.

Each case is the mean of {ROUNDS} rounds, in which both policies get the same requests. What chance does is seen in
what differs between rounds: {SIGMAS:.0f} times the largest standard error of any case of the same shape and load are
taken off the worst of p50 and p99. The longest latency is that of one request in each round, and is judged by its
mean.

`least_request` is to be no worse anywhere. One that takes turns in a fixed order is: it comes back to an endpoint when
most often its last request has ended, however long that took, where choices at random come while it is still there,
too, and go elsewhere. With a hundred clients, of whom each sees its own few requests alone, that made p99 1.3 times
that of the plain one.
"""

    def play(self, setting: Setting) -> Findings:
        measured = {}
        for case in _cases(setting.quick):
            setting.tell(f"{case.shape}, {case.endpoints} endpoints at {case.load:.0%}, clients: {case.clients}")
            rounds = range(3 if setting.quick else ROUNDS)
            measured[case] = [_compare(f"{setting.seed} two-choices {case} {number}", case) for number in rounds]
        groups = dict.fromkeys((case.shape, case.clients) for case in measured)
        return Findings(
            Table(
                ("endpoints", "clients", "p50", "worst", "p99", "worst", "max", "worst", "worst p99 is at"),
                [_row(measured, *group) for group in groups],
            ),
            _expectations(measured),
            _chart(measured),
            Table(
                (*Case._fields, *Logs._fields, *(f"error of {name}" for name in Logs._fields)),
                [(*case, *map(math.exp, _mean(rounds)), *_errors(rounds)) for case, rounds in measured.items()],
            ),
        )


def _cases(quick: bool) -> Sequence[Case]:
    clients, endpoints, loads = ((1, 10), (3,), (0.7,)) if quick else (CLIENTS, tuple(REQUESTS), LOADS)
    return [Case(*case) for case in itertools.product(SHAPES, clients, endpoints, loads)]


def _compare(seed: str, case: Case) -> Logs:
    ours = _play(seed, case, POLICIES["least_request"])
    plain = _play(seed, case, lambda dice: TwoAtRandom(random=dice))
    return Logs(*(math.log(one / other) for one, other in zip(ours, plain, strict=True)))


def _play(seed: str, case: Case, policy: Callable[[Dice], Policy]) -> Latency:
    slowness, batch = SHAPES[case.shape]
    world = World(seed, tuple(itertools.islice(itertools.cycle(slowness), case.endpoints)))
    for _ in range(case.clients):
        world.join(policy)
    rate_rps = case.load * world.capacity_rps
    seconds = REQUESTS[case.endpoints] / rate_rps
    world.run(Traffic(rate_rps, batch), seconds)
    return latency_ms(between(world.requests, WARM * seconds, math.inf))


def _mean(rounds: Iterable[Logs]) -> Logs:
    return Logs(*(statistics.fmean(values) for values in zip(*rounds, strict=True)))


def _errors(rounds: Sequence[Logs]) -> Logs:
    """Standard errors of the means."""
    return Logs(*(statistics.stdev(values) / math.sqrt(len(values)) for values in zip(*rounds, strict=True)))


def _expectations(measured: Measured) -> Sequence[Expectation]:
    found: list[Expectation] = []
    for (how, shapes), clients in itertools.product(HOW.items(), CLIENTS):
        cases = [case for case in measured if case.shape in shapes and case.clients == clients]
        if cases:
            p50, p99 = (max(_beyond_chance(measured, case)[number] for case in cases) for number in (0, 1))
            logs = [log for case in cases for log in measured[case]]
            longest = _mean(logs).max - SIGMAS * _errors(logs).max
            found += [
                Expectation(f"{what}, less what chance does, endpoints {how}, clients: {clients}", math.exp(log), 1.0)
                for what, log in (("worst p50", p50), ("worst p99", p99), ("mean max", longest))
            ]
    return found


def _beyond_chance(measured: Measured, case: Case) -> Logs:
    """What is worse about `least_request`, less what chance may have done."""
    like_it = [
        _errors(rounds) for each, rounds in measured.items() if (each.shape, each.load) == (case.shape, case.load)
    ]
    return Logs(*(mean - SIGMAS * max(errors) for mean, *errors in zip(_mean(measured[case]), *like_it, strict=True)))


def _row(measured: Measured, shape: str, clients: int) -> Sequence[Cell]:
    means = {case: _mean(rounds) for case, rounds in measured.items() if (case.shape, case.clients) == (shape, clients)}
    overall = _mean(means.values())
    worst = max(means, key=lambda case: means[case].p99)
    numbers = (
        (math.exp(mean), math.exp(max(values)))
        for mean, values in zip(overall, zip(*means.values(), strict=True), strict=True)
    )
    return (shape, clients, *itertools.chain.from_iterable(numbers), f"{worst.endpoints} endpoints, {worst.load:.0%}")


def _chart(measured: Measured) -> Chart:
    lines = []
    for shape in SHAPES:
        by_clients = {
            number: _mean(
                log
                for case, rounds in measured.items()
                if (case.shape, case.clients) == (shape, number)
                for log in rounds
            )
            for number in dict.fromkeys(case.clients for case in measured)
        }
        lines.append(Line(shape, list(by_clients), [math.exp(log.p99) for log in by_clients.values()]))
    return Chart(
        "two-choices",
        "The p99 of least_request over that of the plain power of two choices: as far from 1 as chance takes it.",
        "clients",
        "p99 / that of two at random",
        lines,
        log_x=True,
        level=1.0,
    )


SCENARIO = TwoChoices()
