"""The arms of one cell, measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal, get_args

from benchmarks.overheads.bursts import Burst
from benchmarks.overheads.ratios import Ratio, paired
from benchmarks.overheads.rounds import Cell
from benchmarks.overheads.ways import AGAIN

Measure = Literal["throughput", "cpu_us", "p50_us", "p99_us"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Each arm's bursts, one for each round, in the same order."""

    cell: Cell
    bursts: dict[str, Sequence[Burst]]

    @property
    def reference(self) -> str:
        """The arm that the others are compared with."""
        return next(iter(self.bursts))

    def median(self, measure: Measure, arm: str) -> float:
        """Of the rounds."""
        return median(self._values(measure, arm))

    def ratio(self, measure: Measure, arm: str, against: str) -> Ratio:
        """Of two arms, round by round."""
        return paired(self._values(measure, arm), self._values(measure, against))

    def noise(self, measure: Measure) -> Ratio:
        """The reference against itself."""
        return self.ratio(measure, AGAIN, self.reference)

    def errors(self, arm: str) -> int:
        """Calls that failed."""
        return sum(burst.errors for burst in self.bursts[arm])

    def failures(self) -> Iterator[str]:
        """A line for each arm of which calls failed: its numbers are of no use."""
        for arm, bursts in self.bursts.items():
            if errors := self.errors(arm):
                yield f"{self.cell}: {errors} of {sum(burst.calls for burst in bursts)} calls of {arm}"

    def as_json(self) -> dict[str, Any]:
        """All there is, the ratios to the reference included."""
        return {
            **asdict(self.cell),
            "arms": {
                arm: {
                    "errors": self.errors(arm),
                    "median": {measure: self.median(measure, arm) for measure in MEASURES},
                    "ratio": {measure: asdict(self.ratio(measure, arm, self.reference)) for measure in MEASURES},
                    "rounds": [asdict(burst) for burst in bursts],
                }
                for arm, bursts in self.bursts.items()
            },
        }

    def _values(self, measure: Measure, arm: str) -> list[float]:
        return [getattr(burst, measure) for burst in self.bursts[arm]]
