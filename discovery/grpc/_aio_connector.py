"""Owns the endpoints' asyncio channels, on the caller's loop; an endpoint takes calls only while it is READY."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

import grpc
from grpc import aio

from discovery.grpc import _fork as fork
from discovery.grpc import _rules as rules
from discovery.grpc._health import watch
from discovery.grpc._methods import SubChannel
from discovery.model import Endpoint
from discovery.node import Node


class Connector:
    """make    a channel to an endpoint
    health  the name to watch by `grpc.health.v1`; None watches nothing
    """

    def __init__(self, make: Callable[[Endpoint], aio.Channel], health: str | None) -> None:
        self._make = make
        self._health = health
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._open_nodes: set[Node] = set()
        self._connecting: dict[Node, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._watching: set[asyncio.Task[None]] = set()

    def check_loop(self) -> None:
        """Bind the channel to the running loop; raises RuntimeError if it is bound to another.

        For each call, so without `get_running_loop` where the thread tells enough: it is a system call in Python 3.11.
        """
        if threading.get_ident() == self._thread and not self.loop.is_closed():  # type: ignore[union-attr] # bound together
            return
        running = asyncio.get_running_loop()
        fork.refuse_aio()
        if self.loop is None:
            fork.living(self)
            self.loop, self._thread = running, threading.get_ident()
        elif self.loop is not running:
            raise RuntimeError("this channel belongs to another event loop: create one for each loop")

    @property
    def lives(self) -> bool:
        return bool(self._open_nodes or self._closing)

    def open(self, node: Node) -> bool:
        self._on_loop(self._open, node)
        return False

    def close(self, node: Node) -> None:
        self._on_loop(self._close, node)

    async def closed(self, grace: float | None) -> None:
        """Close what is still open, and wait until all is."""
        for node in tuple(self._open_nodes):
            self._close(node, grace)
        await asyncio.gather(*self._closing)
        for watching in tuple(self._watching):
            watching.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    def _on_loop(self, call: Callable[[Node], None], node: Node) -> None:
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed, and its channels with it
                self.loop.call_soon_threadsafe(call, node)

    def await_ready(self, node: Node) -> None:
        """Keep connecting until READY; later loss is learned from calls. On the loop."""
        if node not in self._connecting:
            connecting = self._connecting[node] = asyncio.ensure_future(_connect(node))
            connecting.add_done_callback(lambda _: self._connecting.pop(node, None))

    def lost(self, node: Node, *, unreached: bool) -> None:
        """A call said that the connection may be gone; its state tells. Where it was not even reached, it is."""
        if unreached:
            node.report(False, node.error)
        self.await_ready(node)

    def _open(self, node: Node) -> None:
        if not node.draining:
            node.connection = SubChannel(self._make(node.endpoint))
            self._open_nodes.add(node)
            self.await_ready(node)
            if self._health is not None:
                watched = watch(node, node.connection.channel, self._health, lambda: node in self._open_nodes)
                watching = asyncio.ensure_future(watched)
                self._watching.add(watching)
                watching.add_done_callback(self._watching.discard)

    def _close(self, node: Node, grace: float | None = None) -> None:
        if node in self._open_nodes:
            self._open_nodes.remove(node)
            closing = asyncio.ensure_future(_close(node.connection.channel, self._connecting.get(node), grace))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


async def _connect(node: Node) -> None:
    channel: aio.Channel = node.connection.channel
    while True:
        state = channel.get_state(try_to_connect=True)
        rules.report(node, state)
        if state in {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.SHUTDOWN}:
            return
        await channel.wait_for_state_change(state)


async def _close(channel: aio.Channel, connecting: asyncio.Task[None] | None, grace: float | None) -> None:
    await channel.close(grace)
    if connecting is not None:
        # It ends with the channel, unless the caller still holds a call that was made on it. Cancelling it at once
        # would have grpc answer it later, on a loop that may be closed by then.
        await asyncio.wait({connecting}, timeout=0.1)
        connecting.cancel()
