"""Node, the live record of one endpoint, and Lease, the handle of one pick."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from discovery.model import Endpoint, Outcome


class Node:
    """What we know of one endpoint while it is in the set; it survives snapshots.

    endpoint    the newest Endpoint value for this address
    leases      one entry for each request in flight. A set, because adding to and removing from it are
                atomic, with and without a GIL: the count is exact, and a lease ends once, without a lock.
    ready       may take requests; reported by the adapter that owns the connections
    error       why it is not ready, if connecting failed; None while it has not been tried to the end
    draining    left the set: no new picks, what is in flight finishes
    failures    requests that ended in `Outcome.FAILURE`
    connection  the adapter's own: its channel or inner transport
    """

    __slots__ = (
        "_changed",
        "_idle",
        "_lock",
        "connection",
        "draining",
        "endpoint",
        "error",
        "failures",
        "leases",
        "ready",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        changed: Callable[[], None] = lambda: None,
        idle: Callable[[Node], None] = lambda _node: None,
    ) -> None:
        self.endpoint = endpoint
        self.leases: set[Lease] = set()
        self.ready = False
        self.error: str | None = None
        self.draining = False
        self.failures = 0
        self.connection: Any = None
        self._changed = changed
        self._idle = idle
        self._lock = threading.Lock()

    def report(self, ready: bool, error: str | None = None) -> None:
        """The adapter says that the endpoint can (or can no longer) take requests; callable from any thread."""
        if (ready, error) != (self.ready, self.error):
            self.ready, self.error = ready, error
            self._changed()

    def drain(self) -> None:
        """Take no more requests; `idle` is called once what is in flight has ended."""
        self.draining = True
        if not self.leases:
            self._idle(self)

    def end(self, outcome: Outcome) -> None:
        """Count one ended request; called by its lease alone."""
        if outcome is Outcome.FAILURE:
            with self._lock:
                self.failures += 1
        if self.draining and not self.leases:
            self._idle(self)

    def __repr__(self) -> str:
        return f"<Node {self.endpoint} ready={self.ready} in_flight={len(self.leases)} draining={self.draining}>"


class Lease:
    """One request's hold on a node, from the pick to the end of the response body or stream.

    As a context manager it ends with the block; an exception is a failure, a cancellation says nothing.
    """

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node
        node.leases.add(self)

    @property
    def endpoint(self) -> Endpoint:
        """The server to send this request to."""
        return self.node.endpoint

    def done(self, outcome: Outcome = Outcome.SUCCESS) -> None:
        """End it. Only the first call counts; callable from any thread."""
        try:
            self.node.leases.remove(self)
        except KeyError:
            return
        self.node.end(outcome)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.done()
        else:
            self.done(Outcome.FAILURE if issubclass(kind, Exception) else Outcome.CANCELLED)
