"""Pool: owns the nodes and the current picker. It neither resolves nor sends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from discovery import filters
from discovery.errors import Closed, DiscoveryError, NoEndpoints, ResolutionFailed
from discovery.model import Endpoint, Snapshot
from discovery.node import Lease, Node
from discovery.policies import Picker, Policy


class Connector(Protocol):
    """What an adapter gives to a Pool in order to own the connections of its nodes.

    Both are called from any thread and must not wait for the network.
    """

    def open(self, node: Node) -> bool:
        """The node joined. True if it can take requests at once; else `node.report` says so later."""

    def close(self, node: Node) -> None:
        """The node left and nothing is in flight on it, or the pool was closed."""


class Pool:
    """Turns snapshots into nodes, and picks among those that are ready.

    Writers (updates, reports of readiness) take a lock; `pick` reads one attribute and takes none.

    policy      builds a picker for each change
    connector   the adapter that owns the connections; without one, nodes are ready as they come
    """

    def __init__(self, policy: Policy, *, connector: Connector | None = None) -> None:
        self._policy = policy
        self._connector = connector
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._nodes: dict[tuple[str, int], Node] = {}
        self._leaving: set[Node] = set()
        self._listeners: set[Callable[[], None]] = set()
        self._snapshot: Snapshot | None = None
        self._offered: tuple[tuple[Node, Endpoint], ...] = ()
        self._picker: Picker | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Those of the newest snapshot, in its order."""
        return tuple(self._nodes.values())

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest one, None before the first."""
        return self._snapshot

    def pick(self, key: str | None = None, avoid: Collection[Endpoint] = ()) -> Lease | None:
        """A lease on the policy's choice, or None while there is nothing to choose from yet (pending).

        Raises `NoEndpoints`, `ResolutionFailed` or `Closed`.
        """
        while (picker := self._picker) is not None:
            lease = Lease(picker.pick(key, avoid))
            if not lease.node.draining:
                return lease
            # It left between the choice and the lease; the newer picker does not have it.
            lease.done()
        return None

    def update(self, snapshot: Snapshot) -> None:
        """Take over a complete endpoint set: keep the node of each endpoint that stays, open and drain the others."""
        with self._lock:
            if self.closed:
                return
            before = self._nodes
            self._nodes = {(each.host, each.port): self._node(each, before) for each in snapshot.endpoints}
            left = [node for address, node in before.items() if address not in self._nodes]
            self._snapshot = snapshot
            self._leaving.update(left)
            self._publish()
            # Only now, so that a pick that finds its node draining finds a newer picker too.
            for node in left:
                node.drain()

    def fail(self, why: str) -> None:
        """The resolver failed. An earlier snapshot is served all the same."""
        with self._lock:
            if not self.closed:
                self._offer(_Refusal(ResolutionFailed, why) if self._snapshot is None else self._picker)

    def expire(self, why: str) -> None:
        """The resolver has failed for too long: what is known is no longer to be trusted, and its endpoints drain."""
        with self._lock:
            if not self.closed and self._snapshot is not None:
                left, self._nodes = tuple(self._nodes.values()), {}
                self._snapshot, self._offered = None, ()
                self._leaving.update(left)
                self._offer(_Refusal(ResolutionFailed, why))
                for node in left:
                    node.drain()

    def close(self) -> None:
        """Refuse every pick from now on and close all connections."""
        with self._lock:
            if self.closed:
                return
            self._offer(_Refusal(Closed, "it was closed"))
            nodes = {*self._nodes.values(), *self._leaving}
            self._leaving.clear()
            if self._connector is not None:
                for node in nodes:
                    node.draining = True
                    self._connector.close(node)

    def forget(self) -> None:
        """Begin anew in a forked child: nothing inherited is used, closed or even released."""
        self._inherited = (self._lock, self._nodes, self._leaving, self._listeners, self._picker)
        if not self.closed:
            self._begin()

    @contextlib.contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `listener` is called after each change, by whichever thread made it."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    @property
    def closed(self) -> bool:
        return isinstance(self._picker, _Refusal) and self._picker.kind is Closed

    def _node(self, endpoint: Endpoint, before: dict[tuple[str, int], Node]) -> Node:
        node = before.get((endpoint.host, endpoint.port))
        if node is None:
            node = Node(endpoint, changed=self._republish, idle=self._gone)
            # Only ever set: the adapter may have reported READY from another thread before `open` returns.
            if self._connector is None or self._connector.open(node):
                node.ready = True
        node.endpoint = endpoint
        return node

    def _republish(self) -> None:
        with self._lock:
            if not self.closed:
                self._publish()

    def _publish(self) -> None:
        candidates = filters.ready(self._nodes.values())
        before, self._offered = self._offered, tuple((node, node.endpoint) for node in candidates)
        if candidates:
            # A rotation goes on where nothing changed for it, so that it stays exact.
            self._offer(self._picker if self._offered == before else self._policy.picker(candidates))
        elif not self._nodes:
            self._offer(_Refusal(NoEndpoints, (self._snapshot and self._snapshot.note) or "it has no ready endpoint"))
        elif all(node.error for node in self._nodes.values()):
            reasons = "; ".join(f"{node.endpoint}: {node.error}" for node in self.nodes[:3])
            self._offer(_Refusal(NoEndpoints, f"none of its {len(self._nodes)} endpoints can be reached ({reasons})"))
        else:
            self._offer(None)

    def _offer(self, picker: Picker | None) -> None:
        self._picker = picker
        for listener in tuple(self._listeners):
            listener()

    def _gone(self, node: Node) -> None:
        with self._lock:
            if node in self._leaving:
                self._leaving.remove(node)
                if self._connector is not None:
                    self._connector.close(node)


class _Refusal(Picker):
    """Stands where a picker would and says why there is none."""

    __slots__ = ("kind", "why")

    def __init__(self, kind: type[DiscoveryError], why: str) -> None:
        self.kind = kind
        self.why = why

    def pick(self, key: str | None, avoid: Collection[Endpoint]) -> Node:  # noqa: ARG002 - it refuses them all
        raise self.kind(self.why)
