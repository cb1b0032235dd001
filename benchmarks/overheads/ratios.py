"""How one arm compares with another: the median of what their rounds say, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_DOUBT = 0.05


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median over rounds, and the interval that holds the true one with 95 % confidence.

    With fewer than six rounds no interval has that: it is then the range, of which less is to be said.
    """

    median: float
    low: float
    high: float

    @property
    def floor(self) -> float:
        """How far from 1 it may be: where the two arms are the same, that is noise."""
        return max(abs(1 - self.low), abs(self.high - 1))

    def __str__(self) -> str:
        return "{} ({}-{})".format(*map(_short, (self.median, self.low, self.high)))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """The ratio of two arms that took turns, each round paired with itself, since noise is of its time."""
    ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    outside = _outside(len(ratios))
    return Ratio(median(ratios), ratios[outside], ratios[-1 - outside])


def _short(number: float) -> str:
    return f"{number:.{3 if number < 10 else 0}f}" if number >= 0.1 else f"{number:.3f}"


def _outside(count: int) -> int:
    """How many of the ordered values may be left out on each side (the sign test's interval for a median)."""
    outside, below = 0, 1.0
    while 2 * below <= _DOUBT * 2.0**count:
        outside += 1
        below += math.comb(count, outside)
    return max(0, outside - 1)
