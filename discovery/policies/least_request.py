"""`least_request`: the default."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence

from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker, Policy, without

AHEAD = 3
"""Turns that are held against an endpoint, at most, for having been the busier one."""


class LeastRequest(Policy):
    """Of two at random, the one with fewer requests in flight; of two with as many, the one that has had fewer turns.

    A loaded service is balanced by the power of two choices (Mitzenmacher 2001; the default of Finagle, Linkerd and
    Envoy), without a scan of all endpoints; an idle one to within a request or two, where choices at random alone
    would spread far. Failures of late count as requests in flight, so that an endpoint that fails fast does not look
    idle.

    random  a source of floats in [0, 1)
    """

    def __init__(self, *, random: Callable[[], float] = random.random) -> None:
        self._random = random

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _TwoChoices(nodes, self._random)


class _TwoChoices(Picker):
    """Who is passed over for being busier has had that turn, too. Otherwise the next ones would make up for it, and an
    endpoint that is slow would get as many as the others. But not without end: what has ended is not held against it.

    Threads that count a turn at the same time may count it once, which evens out.
    """

    __slots__ = ("_nodes", "_random", "_turns")

    def __init__(self, nodes: Sequence[Node], random: Callable[[], float]) -> None:
        self._nodes = nodes
        self._random = random
        self._turns = [0] * len(nodes)

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - the key is for hashing policies
        nodes, turns, random = self._nodes, self._turns, self._random
        if avoid:
            return _TwoChoices(without(nodes, avoid), random).pick(None, ())
        count = len(nodes)
        first = int(random() * count)
        second = int(random() * (count - 1))
        if second >= first and count > 1:
            second += 1  # never the same, unless it is the only one
        one, other = nodes[first], nodes[second]
        more = len(one.leases) + one.penalty - len(other.leases) - other.penalty
        if more > 0 or (not more and turns[second] < turns[first]):
            first, second, one = second, first, other
        turn = turns[first] = turns[first] + 1
        if more and turns[second] < turn + AHEAD:
            turns[second] += 1
        return one
