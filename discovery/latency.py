"""What an endpoint's answers take, as one number that follows peaks at once and forgets them slowly."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

DECAY_S = 10.0
"""After so long an observation weighs 1/e. Finagle's and Linkerd's."""
UNKNOWN_S = 0.03
"""Of an endpoint that has not answered yet. Linkerd's."""


class Latency(NamedTuple):
    """Peak EWMA: a moving average that a slower answer replaces at once (Finagle's `PeakEwma`).

    average_s  as it was at the last observation
    at         that moment
    """

    average_s: float
    at: float

    @classmethod
    def observed(cls, before: Self | None, elapsed_s: float, now: float, *, failed: bool = False) -> Self:
        """With one more answer. One that failed may be slow, but never makes an endpoint look quick."""
        if failed:
            elapsed_s = max(elapsed_s, UNKNOWN_S if before is None else before.average_s)
        if before is None or elapsed_s > before.average_s:
            return cls(elapsed_s, now)
        weight = math.exp((before.at - now) / DECAY_S)
        return cls(before.average_s * weight + elapsed_s * (1 - weight), now)

    def now_s(self, now: float) -> float:
        """The average at a later moment: what is not asked for long is worth another try."""
        return self.average_s * math.exp((self.at - now) / DECAY_S)
