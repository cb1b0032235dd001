"""The four kinds of sync calls: pick an endpoint, then grpc's own multicallable on its channel."""

from __future__ import annotations

import time
from typing import Any

import grpc

from discovery.balancer import Balancer
from discovery.errors import Closed, DiscoveryError
from discovery.grpc import _rules as rules
from discovery.grpc._errors import PickError
from discovery.model import Endpoint, Outcome
from discovery.node import Lease, Node


class Connector:
    """Owns the channels of the endpoints; an endpoint takes calls only once its channel is READY."""

    def __init__(self, options: rules.Options | None, compression: grpc.Compression | None) -> None:
        self.authority = ""
        self._options = options
        self._compression = compression

    def open(self, node: Node) -> bool:
        node.connection = rules.SubChannel(self._channel(node.endpoint))
        self.await_ready(node)
        return False

    def close(self, node: Node) -> None:
        node.connection.channel.close()

    def await_ready(self, node: Node) -> None:
        """Subscribe until READY and no longer: a subscription costs a thread that polls."""
        channel = node.connection.channel

        def heard(state: grpc.ChannelConnectivity) -> None:
            rules.report(node, state)
            if state in {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.SHUTDOWN}:
                channel.unsubscribe(heard)

        channel.subscribe(heard, try_to_connect=True)

    def _channel(self, endpoint: Endpoint) -> grpc.Channel:
        options = rules.subchannel_options(self._options, self.authority)
        return grpc.insecure_channel(rules.subchannel_target(endpoint), options, self._compression)


class _Multicallable:
    def __init__(self, balancer: Balancer, connector: Connector, method: rules.Method) -> None:
        self._balancer = balancer
        self._connector = connector
        self._method = method

    def _lease(self, timeout: float | None) -> tuple[Lease, float | None]:
        """A lease, and what is left of the timeout."""
        try:
            lease = self._balancer.pick_nowait()
            if lease is None:
                began = time.monotonic()
                lease = self._balancer.pick(timeout_s=timeout)
                if timeout is not None:
                    timeout = max(0.0, timeout - (time.monotonic() - began))
        except Closed as error:
            # As grpc's own channel does.
            raise ValueError(f"Cannot invoke RPC on closed channel! {error}") from None
        except DiscoveryError as error:
            raise PickError(error) from error
        return lease, timeout

    def _wait(self, how: str, request: Any, timeout: float | None, *rest: Any) -> Any:
        """Make the call and wait for its end."""
        lease, timeout = self._lease(timeout)
        try:
            reply = getattr(lease.node.connection.bound(self._method), how)(request, timeout, *rest)
        except grpc.RpcError as error:
            self._ended(lease, error.code())
            raise
        except BaseException:
            lease.done(Outcome.CANCELLED)
            raise
        lease.done()
        return reply

    def _begin(self, how: str, request: Any, timeout: float | None, *rest: Any) -> Any:
        """Make the call and return while it runs."""
        lease, timeout = self._lease(timeout)
        try:
            call = getattr(lease.node.connection.bound(self._method), how)(request, timeout, *rest)
        except BaseException:
            lease.done(Outcome.CANCELLED)
            raise
        if not call.add_callback(lambda: self._ended(lease, call.code())):
            self._ended(lease, call.code())
        return call

    def _ended(self, lease: Lease, code: grpc.StatusCode) -> None:
        lease.done(rules.outcome(code))
        if code is grpc.StatusCode.UNAVAILABLE and not lease.node.draining:
            # The connection may be gone, or the application may just say so: its state tells.
            self._connector.await_ready(lease.node)


class _AnswersOnce(_Multicallable):
    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._wait("__call__", request, timeout, metadata, credentials, wait_for_ready, compression)

    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._wait("with_call", request, timeout, metadata, credentials, wait_for_ready, compression)

    def future(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._begin("future", request, timeout, metadata, credentials, wait_for_ready, compression)


class _AnswersMany(_Multicallable):
    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._begin("__call__", request, timeout, metadata, credentials, wait_for_ready, compression)


class UnaryUnary(_AnswersOnce, grpc.UnaryUnaryMultiCallable):
    """One request, one reply."""


class UnaryStream(_AnswersMany, grpc.UnaryStreamMultiCallable):
    """One request, a stream of replies."""


class StreamUnary(_AnswersOnce, grpc.StreamUnaryMultiCallable):
    """A stream of requests, one reply."""


class StreamStream(_AnswersMany, grpc.StreamStreamMultiCallable):
    """A stream each way."""
