"""Which nodes are candidates at all: pure functions from nodes to nodes, applied in order by the Pool."""

from __future__ import annotations

from collections.abc import Iterable

from discovery.node import Node


def ready(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Those whose adapter says that they can take requests."""
    return tuple(node for node in nodes if node.ready)
