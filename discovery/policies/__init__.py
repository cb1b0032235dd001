"""Policies: which of the candidates takes the next request. One file each.

A policy knows nothing of the network. It builds a Picker for each change of the candidates; the
picker's membership is fixed, so that it needs no lock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from discovery.model import Endpoint
from discovery.node import Node


class Picker(ABC):
    """Chooses among nodes that are fixed at its construction."""

    __slots__ = ()

    @abstractmethod
    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:
        """The node for the next request: no I/O, no waiting, callable from any thread.

        `key` is for policies that hash, others ignore it. `avoid` is a wish: where it names every
        candidate, one of them is chosen all the same.
        """


class Policy(ABC):
    """A way to choose. One instance belongs to one balancer.

    measures_latency  have `Node.latency` kept up to date; it costs two looks at the clock for each request
    """

    measures_latency = False

    @abstractmethod
    def picker(self, nodes: Sequence[Node]) -> Picker:
        """A picker over these nodes, of which there is at least one."""


def without(nodes: Sequence[Node], avoid: Collection[Endpoint]) -> Sequence[Node]:
    """The nodes less those to avoid, unless that leaves none."""
    return [node for node in nodes if node.endpoint not in avoid] or nodes
