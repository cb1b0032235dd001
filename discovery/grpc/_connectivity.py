"""`subscribe` and `unsubscribe` of the sync channel."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

import grpc

from discovery.balancer import Balancer
from discovery.grpc import _rules as rules

Callback = Callable[[grpc.ChannelConnectivity], object]


class Connectivity:
    """Tells callbacks of each change of the channel's state.

    They run on a thread that lives while there are any, since a callback may take its time and what reports the
    change must not.
    """

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._lock = threading.Lock()
        self._ends: dict[Callback, queue.SimpleQueue[bool]] = {}

    def subscribe(self, callback: Callback, try_to_connect: bool | None = False) -> None:
        """Call back with the state now, and after each change."""
        if try_to_connect:
            self._balancer.start()
        changes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        with self._lock:
            self._ends[callback] = changes
        threading.Thread(
            target=self._deliver, args=(callback, changes), name="discovery-subscriber", daemon=True
        ).start()

    def unsubscribe(self, callback: Callback) -> None:
        """Call it no more."""
        with self._lock:
            changes = self._ends.pop(callback, None)
        if changes is not None:
            changes.put(False)

    def close(self) -> None:
        """Tell everybody of the shutdown, and end."""
        with self._lock:
            ends = list(self._ends.values())
        for changes in ends:
            changes.put(True)
            changes.put(False)

    def _deliver(self, callback: Callback, changes: queue.SimpleQueue[bool]) -> None:
        told = None
        with self._balancer.listening(lambda: changes.put(True)):
            while True:
                state = rules.connectivity(self._balancer.snapshot())
                if state is not told:
                    told = state
                    with contextlib.suppress(Exception):  # as grpc's own: a callback's error is its own affair
                        callback(state)
                if not changes.get():
                    return
