"""When the requests of an arm are due. Pure."""

from __future__ import annotations

from random import Random
from typing import Literal, get_args

Arrivals = Literal["constant", "poisson"]
ARRIVALS: tuple[Arrivals, ...] = get_args(Arrivals)


def due_times(arrivals: Arrivals, rate_rps: float, duration_s: float, seed: str) -> tuple[float, ...]:
    """Seconds from the start, in order, all inside the duration.

    constant  evenly spaced
    poisson   as from many callers who know nothing of each other: the gaps are exponential, of the same mean, so that
              some requests come close together; the number varies by its square root. `seed` decides, and it alone
    """
    if arrivals == "constant":
        return tuple(number / rate_rps for number in range(round(duration_s * rate_rps)))
    random = Random(seed)
    times = []
    at_s = random.expovariate(rate_rps)
    while at_s < duration_s:
        times.append(at_s)
        at_s += random.expovariate(rate_rps)
    return tuple(times)


def share(times: tuple[float, ...], number: int, of: int) -> tuple[float, ...]:
    """What client `number` of so many sends, as cards are dealt: together they are the same load as that of one."""
    return times[number::of]
