"""What the numbers are to be, each as a bound on the ratio of two arms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.overheads import grpc_ways, http_ways
from benchmarks.overheads.comparison import Comparison, Measure
from benchmarks.overheads.ratios import Ratio
from benchmarks.overheads.rounds import Cell

WORDS: dict[Measure, str] = {
    "throughput": "throughput",
    "cpu_us": "client CPU per call",
    "p50_us": "p50",
    "p99_us": "p99",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on arm over against: the least of throughput, the most of anything else.

    less_noise  it is as much lower as the same arm may differ from itself
    """

    measure: Measure
    arm: str
    against: str
    bound: float
    less_noise: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a target is met in a cell, by the median; `bound` is that of the target less the noise."""

    cell: Cell
    target: Target
    ratio: Ratio
    bound: float
    met: bool

    def __str__(self) -> str:
        target, sign = self.target, "at least" if self.target.measure == "throughput" else "at most"
        return (
            f"{self.cell}: {WORDS[target.measure]} of {target.arm} is {self.ratio} of that of {target.against}, "
            f"{'' if self.met else 'not '}{sign} {self.bound:.3f}"
        )


def targets(cell: Cell) -> tuple[Target, ...]:
    """Those of a cell."""
    if cell.protocol == "grpc":
        return tuple(
            target
            for arm in (grpc_ways.ROUND_ROBIN, grpc_ways.LEAST_REQUEST)
            for target in (
                Target("throughput", arm, grpc_ways.NATIVE, 1.0, less_noise=True),
                Target("cpu_us", arm, grpc_ways.NATIVE, 1.05),
                Target("p99_us", arm, grpc_ways.NATIVE, 1.1),
            )
        )
    if cell.in_flight == 1:
        return (Target("cpu_us", http_ways.OURS, http_ways.ONE, 1.08),)
    if cell.in_flight == 100:
        return (
            Target("cpu_us", http_ways.OURS, http_ways.ALL, 1 / 3),
            Target("cpu_us", http_ways.OURS_AIOHTTP, http_ways.AIOHTTP, 3.5),
        )
    return ()


def judge(comparison: Comparison) -> Iterator[Verdict]:
    """The verdict on each target of the comparison's cell."""
    for target in targets(comparison.cell):
        ratio = comparison.ratio(target.measure, target.arm, target.against)
        noise = comparison.noise(target.measure).floor if target.less_noise else 0.0
        bound = target.bound - noise
        met = ratio.median >= bound if target.measure == "throughput" else ratio.median <= bound
        yield Verdict(comparison.cell, target, ratio, bound, met)
