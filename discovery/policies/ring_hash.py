"""`ring_hash`: the same key to the same endpoint, as long as it can bear it."""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
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

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _Ring(nodes, self._random)


class _Ring(Picker):
    __slots__ = ("_in_flight", "_nodes", "_owners", "_points", "_random", "_turn")

    def __init__(self, nodes: Sequence[Node], random: Callable[[], float]) -> None:
        each = FEWER_POINTS if len(nodes) > MANY else POINTS
        ring = sorted(
            (point, index) for index, node in enumerate(nodes) for point in _points(node.endpoint.address, each)
        )
        self._nodes = nodes
        self._points = [point for point, _ in ring]
        self._owners = [index for _, index in ring]
        self._random = random
        self._turn = itertools.count()
        self._in_flight = 0

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
        nodes, owners = self._nodes, self._owners
        at = int(self._random() * len(owners)) if key is None else bisect.bisect(self._points, _hash(key))
        most = self._most()
        least = nodes[owners[at % len(owners)]]
        seen: set[int] = set()
        for step in range(len(owners)):
            index = owners[(at + step) % len(owners)]
            node = nodes[index]
            if len(node.leases) + node.penalty < most and node.endpoint not in avoid:
                return node
            if len(seen) == len(nodes):
                break
            if index not in seen:
                seen.add(index)
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
