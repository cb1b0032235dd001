"""The four kinds of sync calls: pick an endpoint, then grpc's own multicallable on its channel."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from typing import Any

import grpc

from discovery import runtime
from discovery.balancer import Balancer
from discovery.errors import Closed, DiscoveryError
from discovery.grpc import _rules as rules
from discovery.grpc._errors import PickError
from discovery.model import Outcome
from discovery.node import Lease, Node


class Connector:
    """Owns the channels of the endpoints; an endpoint takes calls only once its channel is READY."""

    def __init__(self, options: rules.Options | None, compression: grpc.Compression | None) -> None:
        self.authority = ""
        self._options = options
        self._compression = compression
        self._closing: set[concurrent.futures.Future[None]] = set()

    def open(self, node: Node) -> bool:
        options = rules.subchannel_options(self._options, self.authority)
        target = rules.subchannel_target(node.endpoint)
        node.connection = _Connection(node, grpc.insecure_channel(target, options, self._compression))
        node.connection.await_ready(connect=True)
        return False

    def close(self, node: Node) -> None:
        # Elsewhere, since this may be grpc's own thread that ends a call: it would wait for itself.
        closing = runtime.submit(asyncio.to_thread(node.connection.close))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def closed(self) -> None:
        """Wait until all that was closed is."""
        concurrent.futures.wait(tuple(self._closing))


class _Connection(rules.SubChannel):
    """One endpoint's channel, subscribed to only until it is READY: a subscription costs a thread that polls."""

    __slots__ = ("_closed", "_lock", "_node", "_subscribed", "_told_to_connect", "_unheard")

    def __init__(self, node: Node, channel: grpc.Channel) -> None:
        super().__init__(channel)
        self._node = node
        self._lock = threading.Lock()
        self._subscribed = False
        self._unheard = False
        self._told_to_connect = False
        self._closed = False

    def await_ready(self, *, connect: bool = False) -> None:
        """Report the state until it is READY; later loss is learned from calls.

        connect  the channel is new, so connect it. Otherwise it is told to only where it turns out to be idle, since
                 grpc's polling thread fails if the channel is closed before it has followed such a request.
        """
        with self._lock:
            if self._subscribed or self._closed:
                return
            self._subscribed = self._unheard = True
            self._told_to_connect = connect
        self.channel.subscribe(self._hear, try_to_connect=connect)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            # Then the first state that is heard closes it: the polling thread must have looked at it once.
            if self._unheard:
                return
        self.channel.close()

    def _hear(self, state: grpc.ChannelConnectivity) -> None:
        over = state in {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.SHUTDOWN}
        with self._lock:
            self._unheard = False
            closed = self._closed
            if over:
                self._subscribed = False
        if closed:
            self.channel.close()
            return
        rules.report(self._node, state)
        idle = state is grpc.ChannelConnectivity.IDLE and not self._told_to_connect
        if over or idle:
            self.channel.unsubscribe(self._hear)
        if idle:
            self._told_to_connect = True
            self.channel.subscribe(self._hear, try_to_connect=True)


class _Multicallable:
    def __init__(self, balancer: Balancer, method: rules.Method) -> None:
        self._balancer = balancer
        self._method = method

    def _lease(self, arguments: rules.Arguments) -> tuple[Lease, rules.Arguments]:
        """A lease, and the arguments with what it has left of the timeout."""
        try:
            lease = self._balancer.pick_nowait()
            if lease is None:
                began, timeout_s = time.monotonic(), arguments.timeout_s
                lease = self._balancer.pick(timeout_s=timeout_s)
                if timeout_s is not None:
                    arguments = arguments.within(max(0.0, timeout_s - (time.monotonic() - began)))
        except Closed as error:
            # As grpc's own channel does.
            raise ValueError(f"Cannot invoke RPC on closed channel! {error}") from None
        except DiscoveryError as error:
            raise PickError(error) from error
        return lease, arguments

    def _wait(self, how: str, arguments: rules.Arguments) -> Any:
        """Make the call and wait for its end."""
        lease, arguments = self._lease(arguments)
        try:
            call = getattr(lease.node.connection.bound(self._method), how)
            reply = call(*arguments.positional, **arguments.named)
        except grpc.RpcError as error:
            self._ended(lease, error.code())
            raise
        except BaseException:
            lease.done(Outcome.CANCELLED)
            raise
        lease.done()
        return reply

    def _begin(self, how: str, arguments: rules.Arguments) -> Any:
        """Make the call and return while it runs."""
        lease, arguments = self._lease(arguments)
        try:
            make = getattr(lease.node.connection.bound(self._method), how)
            call = make(*arguments.positional, **arguments.named)
        except BaseException:
            lease.done(Outcome.CANCELLED)
            raise
        if not call.add_callback(lambda: self._ended(lease, call.code())):
            self._ended(lease, call.code())
        return call

    @staticmethod
    def _ended(lease: Lease, code: grpc.StatusCode) -> None:
        lease.done(rules.outcome(code))
        if code is grpc.StatusCode.UNAVAILABLE and not lease.node.draining:
            # The connection may be gone, or the application may just say so: its state tells.
            lease.node.connection.await_ready()


class _AnswersOnce(_Multicallable):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._wait("__call__", rules.Arguments(arguments, named))

    def with_call(self, *arguments: Any, **named: Any) -> Any:
        return self._wait("with_call", rules.Arguments(arguments, named))

    def future(self, *arguments: Any, **named: Any) -> Any:
        return self._begin("future", rules.Arguments(arguments, named))


class _AnswersMany(_Multicallable):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._begin("__call__", rules.Arguments(arguments, named))


class UnaryUnary(_AnswersOnce, grpc.UnaryUnaryMultiCallable):
    """One request, one reply."""


class UnaryStream(_AnswersMany, grpc.UnaryStreamMultiCallable):
    """One request, a stream of replies."""


class StreamUnary(_AnswersOnce, grpc.StreamUnaryMultiCallable):
    """A stream of requests, one reply."""


class StreamStream(_AnswersMany, grpc.StreamStreamMultiCallable):
    """A stream each way."""


KINDS = {
    "unary_unary": UnaryUnary,
    "unary_stream": UnaryStream,
    "stream_unary": StreamUnary,
    "stream_stream": StreamStream,
}
