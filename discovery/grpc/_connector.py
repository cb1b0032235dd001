"""Owns the endpoints' sync channels; an endpoint takes calls only once its channel is READY."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from collections.abc import Callable

import grpc

from discovery import runtime
from discovery.grpc import _fork as fork
from discovery.grpc import _rules as rules
from discovery.grpc._health import Checks
from discovery.grpc._methods import SubChannel
from discovery.model import Endpoint
from discovery.node import Node

POLLED_S = 0.5
"""By then grpc's thread has noticed that nobody is subscribed any more."""


class Connector:
    """make    a channel to an endpoint
    health  the name to ask for by `grpc.health.v1`; None asks nothing
    """

    def __init__(self, make: Callable[[Endpoint], grpc.Channel], health: str | None) -> None:
        self._make = make
        self._health = health
        self._closing: set[tuple[int, concurrent.futures.Future[None]]] = set()

    def open(self, node: Node) -> bool:
        fork.refuse_sync()
        node.connection = Connection(node, self._make(node.endpoint), self._health)
        node.connection.await_ready(connect=True)
        return False

    def close(self, node: Node) -> None:
        # Elsewhere, since this may be grpc's own thread that ends a call: it would wait for itself.
        closing = (os.getpid(), runtime.submit(asyncio.to_thread(node.connection.close)))
        self._closing.add(closing)
        closing[1].add_done_callback(lambda _: self._closing.discard(closing))

    def closed(self) -> None:
        """Wait until all that was closed is; what a parent was closing when this process was forked is its own."""
        concurrent.futures.wait([closing for process, closing in tuple(self._closing) if process == os.getpid()])


class Connection(SubChannel):
    """One endpoint's channel, subscribed to only until it is READY: a subscription costs a thread that polls."""

    __slots__ = (
        "__weakref__",
        "_checks",
        "_closed",
        "_left_at",
        "_lock",
        "_node",
        "_paused",
        "_subscribed",
        "_told_to_connect",
        "_was_ready",
    )

    def __init__(self, node: Node, channel: grpc.Channel, health: str | None) -> None:
        super().__init__(channel)
        self._checks = None if health is None else Checks(node, channel, health)
        self._node = node
        self._lock = threading.Lock()
        self._subscribed = self._paused = self._closed = self._told_to_connect = False
        self._was_ready = False
        self._left_at = 0.0
        fork.polled(self)

    def lost(self, *, unreached: bool) -> None:
        """A call said that the connection may be gone; its state tells. Where it was not even reached, it is."""
        if unreached:
            self._node.report(False, self._node.error)
        self.await_ready()

    def await_ready(self, *, connect: bool = False) -> None:
        """Report the state until it is READY; later loss is learned from calls.

        connect  the channel is new, so connect it. Otherwise it is told to only where it turns out to be idle.
        """
        with self._lock:
            if self._subscribed or self._closed:
                return
            self._subscribed = True
            self._told_to_connect = connect
        self.channel.subscribe(self._hear, try_to_connect=connect)

    def pause(self) -> bool:
        with self._lock:
            self._paused, self._subscribed = self._subscribed, False
            polled = self._paused or time.monotonic() - self._left_at < fork.QUIET_S
        if self._paused:
            self.channel.unsubscribe(self._hear)
        return polled

    def resume(self) -> None:
        paused, self._paused = self._paused, False
        if paused:
            self.await_ready()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            subscribed = self._subscribed
        if self._checks is not None:
            self._checks.close()
        if not subscribed or self._node.leases:
            self.channel.close()
            return
        # grpc's polling thread fails if it finds the channel closed; it looks up every 0.2 s, and ends without anybody
        # to tell.
        self.channel.unsubscribe(self._hear)
        runtime.Clock().later(POLLED_S, self.channel.close)

    def _hear(self, state: grpc.ChannelConnectivity) -> None:
        over = state in {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.SHUTDOWN}
        with self._lock:
            if self._closed or not self._subscribed:
                return
            if over:
                self._subscribed, self._left_at = False, time.monotonic()
        first = state is grpc.ChannelConnectivity.READY and not self._was_ready
        self._was_ready |= first
        rules.report(self._node, state)
        if first and self._checks is not None:
            self._checks.ask()
        idle = state is grpc.ChannelConnectivity.IDLE and not self._told_to_connect
        if over or idle:
            self.channel.unsubscribe(self._hear)
        if idle:
            self._told_to_connect = True
            self.channel.subscribe(self._hear, try_to_connect=True)
