"""The plain power of two choices, which `least_request` is to be no worse than."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker, Policy


class TwoAtRandom(Policy):
    """Of two different ones at random, the one with fewer requests in flight, as Finagle's and tower's p2c do."""

    def __init__(self, *, random: Callable[[], float]) -> None:
        self._random = random

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _Pair(nodes, self._random)


class _Pair(Picker):
    __slots__ = ("_nodes", "_random")

    def __init__(self, nodes: Sequence[Node], random: Callable[[], float]) -> None:
        self._nodes = nodes
        self._random = random

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - nothing here avoids any
        count = len(self._nodes)
        first = int(self._random() * count)
        second = int(self._random() * (count - 1))
        one, other = self._nodes[first], self._nodes[second + (second >= first)]
        return other if len(other.leases) + other.penalty < len(one.leases) + one.penalty else one
