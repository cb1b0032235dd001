"""`first`: one endpoint for everything, until it goes: what a single connection does."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from discovery.model import Endpoint
from discovery.node import Node
from discovery.policies import Picker, Policy, without


class First(Policy):
    """The first of the set that can take requests, and then that one for as long as it can (gRPC's `pick_first`).

    One that comes back does not take over: a switch costs its users a cold cache, or a session.
    """

    def __init__(self) -> None:
        self._pinned: Node | None = None

    def picker(self, nodes: Sequence[Node]) -> Picker:
        if (pinned := self._pinned) is None or pinned not in nodes:
            pinned = self._pinned = nodes[0]
        return _Pinned(nodes, pinned)


class _Pinned(Picker):
    __slots__ = ("_nodes", "_pinned")

    def __init__(self, nodes: Sequence[Node], pinned: Node) -> None:
        self._nodes = nodes
        self._pinned = pinned

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - the key is for hashing policies
        if self._pinned.endpoint not in avoid:
            return self._pinned
        return without(self._nodes, avoid)[0]
