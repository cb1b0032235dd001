"""`weighted_round_robin`: each in proportion to its weight, spread as evenly as can be."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Callable, Collection, Sequence

from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker, Policy, without

SCALE = 65_535
"""The heaviest counts as this."""


class WeightedRoundRobin(Policy):
    """Rotation in which an endpoint of weight 1 beside one of weight 3 gets each fourth request.

    The turns are those of gRPC's static stride scheduler (gRFC A58): in each round every endpoint is looked at once,
    and takes the request in as many rounds of `SCALE` as its weight says, at even distances. A turn is one step of a
    counter, and so needs no lock.

    random  a source of floats in [0, 1)
    """

    def __init__(self, *, random: Callable[[], float] = random.random) -> None:
        self._random = random

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _Strides(nodes, self._random)


class _Strides(Picker):
    __slots__ = ("_nodes", "_offsets", "_random", "_turn", "_weights")

    def __init__(self, nodes: Sequence[Node], random: Callable[[], float]) -> None:
        heaviest = max(node.endpoint.weight for node in nodes)
        self._nodes = nodes
        self._weights = [max(1, round(node.endpoint.weight / heaviest * SCALE)) for node in nodes]
        # Of endpoints of equal weight not all are to have their turn in the same round.
        self._offsets = [index * SCALE // len(nodes) for index in range(len(nodes))]
        self._random = random
        self._turn = itertools.count(int(random() * SCALE) * len(nodes))

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - the key is for hashing policies
        if avoid:
            return self._lot(without(self._nodes, avoid))
        nodes, weights, offsets, turn = self._nodes, self._weights, self._offsets, self._turn
        count = len(nodes)
        while True:
            round_, index = divmod(next(turn), count)
            weight = weights[index]
            if (weight * round_ + offsets[index]) % SCALE >= SCALE - weight:
                return nodes[index]

    def _lot(self, nodes: Sequence[Node]) -> Node:
        """One by lot, likely as its weight says: turns among a few would be those of other requests."""
        sums = list(itertools.accumulate(node.endpoint.weight for node in nodes))
        return nodes[bisect.bisect(sums, self._random() * sums[-1])]
