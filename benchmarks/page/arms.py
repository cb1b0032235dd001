"""A result as the page sees it: repeats of an arm are one, and arms stand beside others that call in the same kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from hdrh.histogram import HdrHistogram

from benchmarks.arm import Client, Key, Mode, Wire, named
from benchmarks.result import Result, Run
from benchmarks.statistics import interval

WIRES = {"http": "HTTP", "grpc": "gRPC"}
LONGEST_US = 3_600_000_000


class Spread(NamedTuple):
    """A number of several repeats: the median, and the interval that holds the true one, see `statistics.interval`."""

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, numbers: Iterable[float | None]) -> Spread | None:
        """None where no repeat has the number."""
        known = [number for number in numbers if number is not None]
        if not known:
            return None
        found = interval(known)
        return cls(found.median, found.low, found.high, len(known))

    def text(self, form: str) -> str:
        """The median, and where repeats differ in what is shown, from what to what."""
        between = self.between(form)
        return form.format(self.median) + (f" ({between})" if between else "")

    def between(self, form: str) -> str:
        """From what to what, or nothing where that is the same."""
        low, high = form.format(self.low), form.format(self.high)
        return "" if low == high else f"{low} to {high}"


class Way(NamedTuple):
    """How the client finds the pods, whatever it speaks: what a verdict is about."""

    strategy: str
    variant: str | None
    mode: Mode

    def __str__(self) -> str:
        return named(self.strategy, self.variant) + (", reconnecting" if self.mode == "per-request" else "")


class Kind(NamedTuple):
    """What the client speaks and how it waits: arms of one kind are beside each other."""

    wire: Wire
    client: Client

    def __str__(self) -> str:
        return f"{WIRES[self.wire]} {self.client}"


@dataclass(frozen=True)
class Arm:
    """A row of the table: the runs of one arm, a repeat each."""

    key: Key
    runs: tuple[Run, ...]

    @property
    def way(self) -> Way:
        return Way(self.key.strategy, self.key.variant, self.key.mode)

    @property
    def kind(self) -> Kind:
        return Kind(self.key.wire, self.key.client)

    @cached_property
    def measured(self) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if run.status == "ok")

    @property
    def errors(self) -> int:
        return sum(run.errors or 0 for run in self.measured)

    @property
    def requests(self) -> int:
        return sum(run.requests or 0 for run in self.measured)

    def spread(self, number: Callable[[Run], float | None]) -> Spread | None:
        return Spread.of(number(run) for run in self.measured)

    @property
    def typical(self) -> Run | None:
        """The repeat whose busiest pod is in the middle: for what no median can be taken of, a course of time say."""
        ranked = sorted(self.measured, key=lambda run: run.max_over_mean or 0.0)
        return ranked[(len(ranked) - 1) // 2] if ranked else None

    @cached_property
    def histogram(self) -> HdrHistogram:
        """Latency in us, over all repeats."""
        histogram = HdrHistogram(1, LONGEST_US, 3)
        for run in self.measured:
            if run.latency_histogram:
                histogram.add(HdrHistogram.decode(run.latency_histogram))
        return histogram

    def over(self) -> str:
        """What its numbers are over, in words."""
        return f"{self.way}, {self.kind}: {self.times()}"

    def times(self) -> str:
        """How many requests, in how many repeats."""
        count = len(self.measured)
        return f"{self.requests} requests" + (f" in {count} repeats" if count > 1 else "")


def arms(result: Result, scenario: str) -> tuple[Arm, ...]:
    """Those of the scenario, in the order in which they ran first."""
    runs = [run for run in result.runs if run.scenario == scenario]
    keys = dict.fromkeys(run.key for run in runs)
    return tuple(Arm(key, tuple(run for run in runs if run.key == key)) for key in keys)


def scenario_names(result: Result) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run.scenario for run in result.runs))


def kinds(given: Sequence[Arm]) -> tuple[Kind, ...]:
    """The kinds of client that there are, always in the same order."""
    return tuple(sorted({arm.kind for arm in given}, key=lambda kind: (kind.wire != "http", kind.client != "sync")))


def ways(given: Iterable[Arm]) -> tuple[Way, ...]:
    return tuple(dict.fromkeys(arm.way for arm in given))
