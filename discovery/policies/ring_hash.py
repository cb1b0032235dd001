"""`ring_hash`: the same key to the same endpoint, as long as it can bear it."""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import operator
import random
from collections.abc import Callable, Collection, Sequence

from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker, Policy

POINTS = 100
"""On the ring for each endpoint: with 11 of them it has over 1024, which is Envoy's and gRPC's least."""
FEWER_POINTS = 16
"""For each of more than `MANY` endpoints, whose ring is to be built soon; the bound keeps their loads even."""
MANY = 512
BOUND = 1.25
"""No endpoint has more than this times the mean of requests in flight."""


class RingHash(Policy):
    """Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018): for caches, and for sessions.

    An endpoint that comes or goes moves only the keys that it takes or had. A key whose endpoint is loaded beyond the
    bound goes to the next on the ring. A request without a key goes to any.

    random  a source of floats in [0, 1)
    """

    def __init__(self, *, random: Callable[[], float] = random.random) -> None:
        self._random = random
        self._each = 0
        self._members: frozenset[Node] = frozenset()
        self._ring: list[tuple[int, Node]] = []

    def picker(self, nodes: Sequence[Node]) -> Picker:
        each = FEWER_POINTS if len(nodes) > MANY else POINTS
        if each != self._each:
            self._each, self._members, self._ring = each, frozenset(), []
        before, self._members = self._members, frozenset(nodes)
        # It is made from the one before, since what is almost in order is sorted in a tenth of the time.
        stay = (
            self._ring if before <= self._members else [placed for placed in self._ring if placed[1] in self._members]
        )
        join = [(point, node) for node in self._members - before for point in _points(node.endpoint.address, each)]
        self._ring = sorted(stay + join, key=operator.itemgetter(0))
        return _Ring(nodes, self._ring, self._random)


class _Ring(Picker):
    __slots__ = ("_in_flight", "_nodes", "_points", "_random", "_ring", "_turn")

    def __init__(self, nodes: Sequence[Node], ring: Sequence[tuple[int, Node]], random: Callable[[], float]) -> None:
        self._nodes = nodes
        self._ring = ring
        self._points = [point for point, _ in ring]
        self._random = random
        self._turn = itertools.count()
        self._in_flight = 0

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
        ring, count = self._ring, len(self._ring)
        at = int(self._random() * count) if key is None else bisect.bisect(self._points, _hash(key))
        most = self._most()
        least = ring[at % count][1]
        seen: set[Node] = set()
        for step in range(count):
            node = ring[(at + step) % count][1]
            if len(node.leases) + node.penalty < most and node.endpoint not in avoid:
                return node
            if len(seen) == len(self._nodes):
                break
            if node not in seen:
                seen.add(node)
                if (node.endpoint in avoid, len(node.leases)) < (least.endpoint in avoid, len(least.leases)):
                    least = node
        return least

    def _most(self) -> float:
        """Requests in flight that an endpoint may have with this one."""
        count = len(self._nodes)
        # They are added up once for as many picks as there are endpoints, so that a pick costs the same for any number.
        if next(self._turn) % count == 0:
            self._in_flight = sum(len(node.leases) for node in self._nodes)
        return -(-BOUND * (self._in_flight + 1) // count)


@functools.lru_cache(maxsize=16_384)
def _points(address: str, count: int) -> tuple[int, ...]:
    return tuple(_hash(f"{address}_{number}") for number in range(count))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
