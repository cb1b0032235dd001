"""Pickers around a policy's own, for as long as there is a reason to overrule it: probes, slow starts, limits.

Each is put in place by the pool only while it is needed, so that a request pays for none of them otherwise.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection, Iterable, Sequence

from discovery.errors import Overloaded
from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker

SLOWEST = 0.1
"""The share of its requests that a new endpoint gets at least (Envoy's `min_weight_percent`)."""


class Probing(Picker):
    """Gives each node that was ejected one request, by whose outcome it is judged.

    probes  the nodes to try
    """

    __slots__ = ("_inner", "_probes")

    def __init__(self, inner: Picker, probes: Iterable[Node]) -> None:
        self._inner = inner
        self._probes = collections.deque(probes)

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
        try:
            node = self._probes.popleft()
        except IndexError:
            return self._inner.pick(key, avoid)
        if node.endpoint not in avoid:
            return node
        self._probes.append(node)
        return self._inner.pick(key, avoid)


class SlowStart(Picker):
    """Gives new nodes a share that grows with their age: to the policy's choice of one it agrees only that often.

    window_s  the age at which a node is as good as any (Envoy's slow start, aggression 1)
    """

    __slots__ = ("_clock", "_inner", "_random", "_window_s")

    def __init__(
        self, inner: Picker, window_s: float, *, clock: Callable[[], float], random: Callable[[], float]
    ) -> None:
        self._inner = inner
        self._window_s = window_s
        self._clock = clock
        self._random = random

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
        node = self._inner.pick(key, avoid)
        if node.since is None:
            return node
        share = (self._clock() - node.since) / self._window_s
        if share >= 1 or self._random() < max(SLOWEST, share):
            return node
        other = self._inner.pick(key, {*avoid, node.endpoint})
        return node if other.endpoint in avoid else other


class Limited(Picker):
    """Never picks a node that has as many requests in flight as it may have; raises `Overloaded` where all have."""

    __slots__ = ("_inner", "_limit", "_nodes")

    def __init__(self, inner: Picker, nodes: Sequence[Node], limit: int) -> None:
        self._inner = inner
        self._nodes = nodes
        self._limit = limit

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
        node = self._inner.pick(key, avoid)
        if len(node.leases) < self._limit:
            return node
        free = [each for each in self._nodes if len(each.leases) < self._limit]
        if free:
            return min(free, key=lambda each: (each.endpoint in avoid, len(each.leases)))
        raise Overloaded(f"each of its {len(self._nodes)} endpoints has {self._limit} requests in flight, the most")
