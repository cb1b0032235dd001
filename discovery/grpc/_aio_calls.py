"""The four kinds of asyncio calls: pick an endpoint, then grpc's own multicallable on its channel.

Where an endpoint is at hand, the caller gets grpc's own call, unwrapped: no task, no forwarding.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc import aio

from discovery.balancer import Balancer
from discovery.errors import DiscoveryError
from discovery.grpc import _deferred as deferred
from discovery.grpc import _rules as rules
from discovery.model import Endpoint, Outcome
from discovery.node import Lease, Node


class Connector:
    """Owns the endpoints' channels, on the caller's loop; an endpoint takes calls only once its channel is READY."""

    def __init__(
        self, options: rules.Options | None, compression: grpc.Compression | None, interceptors: Sequence[Any] | None
    ) -> None:
        self.authority = ""
        self._options = options
        self._compression = compression
        self._interceptors = interceptors
        self.loop: asyncio.AbstractEventLoop | None = None
        self._open_nodes: set[Node] = set()
        self._connecting: dict[Node, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def bind_loop(self) -> None:
        """The running loop is the one that the channels live on."""
        if self.loop is None:
            self.loop = asyncio.get_running_loop()

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

    def _on_loop(self, call: Callable[[Node], None], node: Node) -> None:
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed, and its channels with it
                self.loop.call_soon_threadsafe(call, node)

    def await_ready(self, node: Node) -> None:
        """Keep connecting until READY; later loss is learned from calls. On the loop."""
        if node not in self._connecting:
            connecting = self._connecting[node] = asyncio.ensure_future(_connect(node))
            connecting.add_done_callback(lambda _: self._connecting.pop(node, None))

    def _open(self, node: Node) -> None:
        if not node.draining:
            node.connection = rules.SubChannel(self._channel(node.endpoint))
            self._open_nodes.add(node)
            self.await_ready(node)

    def _close(self, node: Node, grace: float | None = None) -> None:
        if node in self._open_nodes:
            self._open_nodes.remove(node)
            closing = asyncio.ensure_future(_close(node.connection.channel, self._connecting.get(node), grace))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _channel(self, endpoint: Endpoint) -> aio.Channel:
        options = rules.subchannel_options(self._options, self.authority)
        return aio.insecure_channel(rules.subchannel_target(endpoint), options, self._compression, self._interceptors)


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


class _Multicallable:
    _deferred: type[deferred.Call]

    def __init__(self, balancer: Balancer, connector: Connector, method: rules.Method) -> None:
        self._balancer = balancer
        self._connector = connector
        self._method = method

    def __call__(self, *positional: Any, **named: Any) -> Any:
        arguments = rules.Arguments(positional, named)
        if self._connector.loop is None:  # before the pick, which may be what starts to open connections
            self._connector.bind_loop()
        try:
            lease = self._balancer.pick_nowait()
        except DiscoveryError:
            lease = None  # as grpc's own, a call fails when it is awaited, not when it is made
        if lease is not None:
            return self._begin(lease, arguments)

        async def pick(timeout_s: float | None) -> Lease:
            return await self._balancer.pick_async(timeout_s=timeout_s)

        return self._deferred(
            pick, lambda lease, left_s: self._begin(lease, arguments.within(left_s)), arguments.timeout_s
        )

    def _begin(self, lease: Lease, arguments: rules.Arguments) -> Any:
        try:
            call = lease.node.connection.bound(self._method)(*arguments.positional, **arguments.named)
        except BaseException:
            lease.done(Outcome.CANCELLED)
            raise
        call.add_done_callback(lambda ended: self._ended(lease, _code(ended)))
        return call

    def _ended(self, lease: Lease, code: grpc.StatusCode | None) -> None:
        lease.done(rules.outcome(code))
        if code is grpc.StatusCode.UNAVAILABLE and not lease.node.draining:
            # The connection may be gone, or the application may just say so: its state tells.
            self._connector.await_ready(lease.node)


def _code(ended: Any) -> grpc.StatusCode | None:
    """The status of a call that has ended: there its `code()` answers without waiting."""
    asking = ended.code()
    try:
        asking.send(None)
    except StopIteration as answer:
        code: grpc.StatusCode = answer.value
        return code
    finally:
        asking.close()
    return None


class UnaryUnary(_Multicallable, aio.UnaryUnaryMultiCallable[Any, Any]):
    """One request, one reply."""

    _deferred = deferred.UnaryUnaryCall


class UnaryStream(_Multicallable, aio.UnaryStreamMultiCallable[Any, Any]):
    """One request, a stream of replies."""

    _deferred = deferred.UnaryStreamCall


class StreamUnary(_Multicallable, aio.StreamUnaryMultiCallable[Any, Any]):
    """A stream of requests, one reply."""

    _deferred = deferred.StreamUnaryCall


class StreamStream(_Multicallable, aio.StreamStreamMultiCallable[Any, Any]):
    """A stream each way."""

    _deferred = deferred.StreamStreamCall


KINDS = {
    "unary_unary": UnaryUnary,
    "unary_stream": UnaryStream,
    "stream_unary": StreamUnary,
    "stream_stream": StreamStream,
}
