"""The policies by name, to be made with the dice that they are to throw."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.simulation.world import Dice
from discovery.policies import Policy
from discovery.policies.first import First
from discovery.policies.least_request import LeastRequest
from discovery.policies.peak_ewma import PeakEwma
from discovery.policies.random_choice import Random
from discovery.policies.ring_hash import RingHash
from discovery.policies.round_robin import RoundRobin
from discovery.policies.weighted_round_robin import WeightedRoundRobin

POLICIES: dict[str, Callable[[Dice], Policy]] = {
    "least_request": lambda dice: LeastRequest(random=dice),
    "peak_ewma": lambda dice: PeakEwma(random=dice),
    "round_robin": lambda dice: RoundRobin(random=dice),
    "weighted_round_robin": lambda dice: WeightedRoundRobin(random=dice),
    "random": lambda dice: Random(random=dice),
    "ring_hash": lambda dice: RingHash(random=dice),
    "first": lambda dice: First(),  # noqa: ARG005 - it leaves nothing to chance
}
