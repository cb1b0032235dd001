"""Nodes, and what a picker makes of them."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from discovery.model import Endpoint
from discovery.node import Lease, Node
from discovery.policies import Picker


def nodes(count: int, *, weights: Iterable[int] = ()) -> list[Node]:
    """So many that are in no pool."""
    by_index = list(weights) or [1] * count
    return [Node(Endpoint(f"10.0.{at // 250}.{at % 250}", 80, weight=by_index[at])) for at in range(count)]


def picks(picker: Picker, count: int) -> collections.Counter[Node]:
    """How often each node is picked while all are idle."""
    return collections.Counter(picker.pick(None, ()) for _ in range(count))


def busy(node: Node, count: int) -> list[Lease]:
    """Requests in flight on a node."""
    return [Lease().begin(node) for _ in range(count)]
