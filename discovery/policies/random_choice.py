"""`random`: any of them, each as likely as the next."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence

from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker, Policy, without


class Random(Policy):
    """What kube-proxy does, but for each request.

    random  a source of floats in [0, 1)
    """

    def __init__(self, *, random: Callable[[], float] = random.random) -> None:
        self._random = random

    def picker(self, nodes: Sequence[Node]) -> Picker:
        return _Lottery(nodes, self._random)


class _Lottery(Picker):
    __slots__ = ("_nodes", "_random")

    def __init__(self, nodes: Sequence[Node], random: Callable[[], float]) -> None:
        self._nodes = nodes
        self._random = random

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - the key is for hashing policies
        nodes = without(self._nodes, avoid) if avoid else self._nodes
        return nodes[int(self._random() * len(nodes))]
