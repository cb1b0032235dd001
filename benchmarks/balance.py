"""How evenly the pods were used. Pure arithmetic on counts per pod."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Balance:
    """What the field judges balance by.

    max_over_mean   the busiest pod's share over the fair one: 1 is even, the number of pods is all on one
    cv              coefficient of variation: standard deviation over mean
    jain            Jain's index, 1 / (1 + cv^2): 1 is even, 1 / pods is all on one; it hides moderate skew
    idle_backends   pods that got nothing
    noise_floor_cv  the cv that random picking would have: sqrt((pods - 1) / picks)
    """

    max_over_mean: float
    cv: float
    jain: float
    idle_backends: int
    noise_floor_cv: float


def balance(counts: Mapping[str, int], picks: int) -> Balance:
    """Judge requests per pod, of which there is at least one, pods without any included.

    picks  how many times somebody chose a pod: the requests, or the connections where the kernel picks per connection
    """
    mean = sum(counts.values()) / len(counts)
    cv = math.sqrt(sum((count - mean) ** 2 for count in counts.values()) / len(counts)) / mean
    return Balance(
        max_over_mean=max(counts.values()) / mean,
        cv=cv,
        jain=1 / (1 + cv * cv),
        idle_backends=sum(count == 0 for count in counts.values()),
        noise_floor_cv=math.sqrt((len(counts) - 1) / picks),
    )
