"""All measurements, one after another: what each is made of, and what comes of it."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple, TypeVar, get_args

from benchmarks.process import ClientError
from benchmarks.watching.client import HOLDS, WAYS, Followed, Follower, Held, Holder, Idled, Idler, Way
from benchmarks.watching.course import LISTED, Change, Course
from benchmarks.watching.process import Measured, Pair
from benchmarks.watching.result import Cpu, Idle, Latency, Memory, Pace
from benchmarks.watching.slices import FULL

SIZES = (1, 10)
"""Slices of the Service, for CPU and latency."""
HELD: tuple[Way, ...] = ("resolver", "balancer", "official", "official-raw")

_WARM_UP = 20
"""Events before those that count; an even number, so that every endpoint is ready when they begin."""
_PAUSE_S = 0.001
"""Before each event whose latency counts, so that the client has nothing left to do and sleeps."""
_IDLE_EACH = 10
"""Endpoints of each of the many Services."""

Begin = Callable[[str], None]
"""Told what is measured next."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of everything: `events` in each round of CPU, and in each latency `changes`."""

    rounds: int
    events: int
    changes: int
    held_slices: int
    watches: int
    idle_s: float


FULLY = Extent(rounds=5, events=200, changes=1000, held_slices=100, watches=200, idle_s=5.0)
QUICKLY = Extent(rounds=1, events=10, changes=30, held_slices=3, watches=3, idle_s=0.2)


class Numbers(NamedTuple):
    """What was measured."""

    cpu: tuple[Cpu, ...]
    latency: tuple[Latency, ...]
    memory: tuple[Memory, ...]
    idle: tuple[Idle, ...]


def steps(extent: Extent) -> int:
    """how often `measure` says what it begins."""
    cpu = extent.rounds * len(SIZES) * len(get_args(Pace)) * len(WAYS)
    return cpu + len(SIZES) * len(get_args(Change)) + len(HELD) + len(HOLDS)


def measure(pair: Pair, extent: Extent, begin: Begin) -> Numbers:
    """Measure everything; raises ClientError."""
    return Numbers(
        tuple(_cpu(pair, extent, begin)),
        tuple(_latency(pair, extent, begin)),
        tuple(_memory(pair, extent, begin)),
        tuple(_idle(pair, extent, begin)),
    )


def _cpu(pair: Pair, extent: Extent, begin: Begin) -> Iterator[Cpu]:
    rounds: dict[tuple[Way, int, Pace], list[Followed]] = defaultdict(list)
    paces: tuple[Pace, ...] = get_args(Pace)
    for number in range(extent.rounds):
        for slices, pace, way in itertools.product(SIZES, paces, _rotated(tuple(WAYS), number)):
            begin(f"CPU, round {number + 1} of {extent.rounds}: {way}, {slices * FULL:,} endpoints, {pace} events")
            alone = extent.events if pace == "single" else 0
            course = Course(slices, alone=_WARM_UP + alone, together=extent.events - alone)
            measured = pair.measure(course, Follower(way, LISTED + _WARM_UP, course.last))
            rounds[way, slices, pace].append(_complete(measured, way))
    for (way, slices, pace), followed in rounds.items():
        us = tuple(each.cpu_s / extent.events * 1e6 for each in followed)
        sets = median(sum(version > LISTED + _WARM_UP for version in each.published_at) for each in followed)
        yield Cpu(way, slices * FULL, pace, extent.events, median(us), us, sets)


def _complete(measured: Measured, way: Way) -> Followed:
    """The report, of a client that has found out the truth."""
    report, played = measured
    assert isinstance(report, Followed)
    if report.ready not in {None, played.ready}:
        raise ClientError(f"{way} has {report.ready} ready endpoints at the end, and the server has {played.ready}")
    return report


def _latency(pair: Pair, extent: Extent, begin: Begin) -> Iterator[Latency]:
    changes: tuple[Change, ...] = get_args(Change)
    for slices, change in itertools.product(SIZES, changes):
        begin(f"Latency: {slices * FULL:,} endpoints, {change}")
        course = Course.counting(extent.changes, slices=slices, change=change, pause_s=_PAUSE_S)
        report, played = pair.measure(course, Follower("balancer", LISTED, course.last))
        assert isinstance(report, Followed)
        ms = sorted((report.published_at[version] - at) * 1e3 for version, at in played.sent_at.items())
        waited_ms = report.waited_s / course.alone * 1e3
        yield Latency(change, slices * FULL, len(ms), _percentile(ms, 0.5), _percentile(ms, 0.99), ms[-1], waited_ms)


def _memory(pair: Pair, extent: Extent, begin: Begin) -> Iterator[Memory]:
    course = Course(extent.held_slices, alone=1)
    for way in HELD:
        endpoints = extent.held_slices * FULL
        begin(f"Memory: {way}, {endpoints:,} endpoints")
        weighed = {}
        for traced in (False, True):
            report = pair.measure(course, Holder(way, course.last, traced)).report
            assert isinstance(report, Held)
            weighed[traced] = report.bytes
        yield Memory(way, endpoints, extent.held_slices, rss_bytes=weighed[False], traced_bytes=weighed[True])


def _idle(pair: Pair, extent: Extent, begin: Begin) -> Iterator[Idle]:
    course = Course(1, _IDLE_EACH, services=extent.watches, alone=1)
    for way in HOLDS:
        begin(f"Idle: {extent.watches} watches, {way}")
        report = pair.measure(course, Idler(way, course.names, course.last, extent.idle_s)).report
        assert isinstance(report, Idled)
        yield Idle(
            way,
            extent.watches,
            report.threads,
            report.descriptors,
            report.rss_bytes,
            report.cpu_s / extent.idle_s * 1e3,
        )


def _rotated(values: Sequence[T], by: int) -> tuple[T, ...]:
    """Each round begins with another, so that no client is always the one after the same."""
    by %= len(values)
    return (*values[by:], *values[:by])


def _percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that so many are not above (nearest rank)."""
    return ordered[math.ceil(share * len(ordered)) - 1]
