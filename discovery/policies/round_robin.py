"""`round_robin`: each in turn, exact to one request per client."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Sequence

from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker, Policy, without


class RoundRobin(Policy):
    """Rotation from a random start, so that many clients do not begin at the same endpoint.

    random  a source of floats in [0, 1)
    """

    def __init__(self, *, random: Callable[[], float] = random.random) -> None:
        self._random = random

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _Rotation(nodes, start=int(self._random() * len(nodes)))


class _Rotation(Picker):
    __slots__ = ("_nodes", "_turn")

    def __init__(self, nodes: Sequence[Node], start: int) -> None:
        self._nodes = nodes
        # next() on a count is atomic: no turn is given twice or left out, whatever the threads do.
        self._turn = itertools.count(start)

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - the key is for hashing policies
        nodes = without(self._nodes, avoid) if avoid else self._nodes
        return nodes[next(self._turn) % len(nodes)]
