"""`subscribe` and `unsubscribe` of the sync channel."""

from __future__ import annotations

import threading
from collections.abc import Callable

import grpc

from discovery.balancer import Balancer
from discovery.grpc import _rules as rules
from discovery.subscription import Subscription

Callback = Callable[[grpc.ChannelConnectivity], object]


class Connectivity:
    """Tells callbacks of each change of the channel's state, the last of which is SHUTDOWN."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._lock = threading.Lock()
        self._subscriptions: dict[Callback, Subscription[grpc.ChannelConnectivity]] = {}

    def subscribe(self, callback: Callback, try_to_connect: bool | None = False) -> None:
        """Call back with the state now, and after each change."""
        if try_to_connect:
            self._balancer.start()
        told: list[grpc.ChannelConnectivity] = []

        def tell(state: grpc.ChannelConnectivity) -> None:
            if told[-1:] != [state]:
                told[:] = [state]
                callback(state)

        with self._lock:
            self._subscriptions[callback] = Subscription(self._balancer.listening, self._read, tell)

    def unsubscribe(self, callback: Callback) -> None:
        """Call it no more."""
        with self._lock:
            subscription = self._subscriptions.pop(callback, None)
        if subscription is not None:
            subscription.close()

    def _read(self) -> tuple[grpc.ChannelConnectivity, bool]:
        state = rules.connectivity(self._balancer.snapshot())
        return state, state is grpc.ChannelConnectivity.SHUTDOWN
