"""`least_request`: the default."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Sequence

from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker, Policy, without


class LeastRequest(Policy):
    """Of the next in rotation and another at random, the one with fewer requests in flight; a tie goes to the first.

    An idle service is balanced exactly, as by round robin; a loaded one as by the power of two choices
    (Mitzenmacher 2001; the default of Finagle, Linkerd and Envoy), without a scan of all endpoints. Failures of late
    count as requests in flight, so that an endpoint that fails fast does not look idle.

    random  a source of floats in [0, 1)
    """

    def __init__(self, *, random: Callable[[], float] = random.random) -> None:
        self._random = random

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _TwoChoices(nodes, self._random)


class _TwoChoices(Picker):
    __slots__ = ("_nodes", "_random", "_turn")

    def __init__(self, nodes: Sequence[Node], random: Callable[[], float]) -> None:
        self._nodes = nodes
        self._random = random
        self._turn = itertools.count(int(random() * len(nodes)))

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - the key is for hashing policies
        nodes = without(self._nodes, avoid) if avoid else self._nodes
        count = len(nodes)
        turn = next(self._turn) % count
        first = nodes[turn]
        load = len(first.leases) + first.penalty
        if not load:
            return first
        # One of those before it, counted from the end where there are none: never the same, unless it is the only one.
        other = nodes[turn - 1 - int(self._random() * (count - 1))]
        return other if len(other.leases) + other.penalty < load else first
