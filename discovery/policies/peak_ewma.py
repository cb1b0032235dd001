"""`peak_ewma`: who answers soonest, by latency and requests in flight."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence

from discovery.latency import UNKNOWN_S
from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker, Policy, without

SCAN = 3
"""With so many endpoints or fewer all are compared: of two choices among two, the busier one is a quarter."""


class PeakEwma(Policy):
    """Of two at random, the one with the lower latency x (requests in flight + 1).

    The latency is a moving average over 10 s that rises at once (Finagle's and Linkerd's `peakEwma`), so that an
    endpoint that slows down is avoided with its first slow answer. A failure counts as a slow answer.

    random  a source of floats in [0, 1)
    """

    measures_latency = True

    def __init__(self, *, random: Callable[[], float] = random.random) -> None:
        self._random = random

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _Cheapest(nodes, self._random, nodes[0].owner.clock)


class _Cheapest(Picker):
    __slots__ = ("_clock", "_nodes", "_random")

    def __init__(self, nodes: Sequence[Node], random: Callable[[], float], clock: Callable[[], float]) -> None:
        self._nodes = nodes
        self._random = random
        self._clock = clock

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - the key is for hashing policies
        nodes = without(self._nodes, avoid) if avoid else self._nodes
        count, now = len(nodes), self._clock()
        first = int(self._random() * count)
        if count <= SCAN:
            return min((nodes[(first + step) % count] for step in range(count)), key=lambda node: _cost(node, now))
        second = int(self._random() * (count - 1))
        one, other = nodes[first], nodes[second + (second >= first)]
        return one if _cost(one, now) <= _cost(other, now) else other


def _cost(node: Node, now: float) -> float:
    in_flight = len(node.leases) + node.penalty
    if node.latency is None:
        # It is tried at once, by one request (Finagle): beside quick ones it might never be. Then it counts as usual.
        return UNKNOWN_S * in_flight
    return node.latency.now_s(now) * (in_flight + 1)
