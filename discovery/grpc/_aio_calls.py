"""The four kinds of asyncio multicallables: pick an endpoint, then grpc's own multicallable on its channel."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc
from grpc import aio

from discovery.balancer import Balancer
from discovery.errors import DiscoveryError
from discovery.grpc import _aio_call as call
from discovery.grpc._aio_connector import Connector
from discovery.grpc._attempts import outcome, ran
from discovery.grpc._methods import Method
from discovery.grpc._replay import AsyncReplay
from discovery.model import Outcome
from discovery.node import Lease
from discovery.retries import Ran


class _Multicallable:
    """One method of a stub on the whole channel."""

    _call: type[call.Call]
    _sends_many = False

    def __init__(self, balancer: Balancer, connector: Connector, method: Method) -> None:
        self.balancer = balancer
        self.method = method
        self._connector = connector
        self._at_hand = balancer.at_hand
        self._count = balancer.retry_budget.request
        self._check_loop = connector.check_loop

    def __call__(
        self,
        request: Any = None,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
        *,
        request_iterator: Any = None,
    ) -> Any:
        self._check_loop()  # before the pick, which may be what starts to open connections
        self._count()
        config = self.method.config
        if config.timeout_s is not None:
            timeout = config.timeout_s if timeout is None else min(timeout, config.timeout_s)
        if self._sends_many:
            requests = request if request_iterator is None else request_iterator
            request = None if requests is None else AsyncReplay(requests)
        rest = (metadata, credentials, None, compression)
        waits = config.wait_for_ready if wait_for_ready is None else wait_for_ready
        try:
            lease = self._at_hand()
        except DiscoveryError:
            lease = None  # as grpc's own, a call fails when it is awaited, not when it is made
        begun = self.begin(lease, request, timeout, rest) if lease else None
        return self._call(self, request, timeout, rest, waits, lease, begun)

    def begin(self, lease: Lease, request: Any, timeout_s: float | None, rest: tuple[Any, ...]) -> Any:
        """grpc's own call on the lease's endpoint."""
        metadata, credentials, waits, compression = rest
        if self._sends_many and request is not None:
            request = request.begin()
        try:
            return lease.node.connection[self.method](
                request,
                timeout=timeout_s,
                metadata=metadata,
                credentials=credentials,
                wait_for_ready=waits,
                compression=compression,
            )
        except BaseException:
            lease.done(Outcome.CANCELLED)
            raise

    def end_with(self, lease: Lease, begun: Any) -> None:
        """The end of grpc's call is that of the lease."""
        begun.add_done_callback(partial(self._ended, lease))

    def ended(self, lease: Lease, code: grpc.StatusCode, details: str | None) -> None:
        """grpc's call is over."""
        lease.done(outcome(code, details))
        if code is grpc.StatusCode.UNAVAILABLE and not lease.node.draining:
            self._connector.lost(lease.node, unreached=ran(lease.endpoint, code, details) is Ran.NO)

    def _ended(self, lease: Lease, begun: Any) -> None:
        code = call.at_once(begun.code())
        if code is grpc.StatusCode.OK:
            lease.done()
        else:
            self.ended(lease, code, call.at_once(begun.details()))


class UnaryUnary(_Multicallable, aio.UnaryUnaryMultiCallable[Any, Any]):
    """One request, one reply."""

    _call = call.UnaryUnaryCall


class UnaryStream(_Multicallable, aio.UnaryStreamMultiCallable[Any, Any]):
    """One request, a stream of replies."""

    _call = call.UnaryStreamCall


class StreamUnary(_Multicallable, aio.StreamUnaryMultiCallable[Any, Any]):  # type: ignore[misc] # either name will do
    """A stream of requests, one reply."""

    _call = call.StreamUnaryCall
    _sends_many = True


class StreamStream(_Multicallable, aio.StreamStreamMultiCallable[Any, Any]):  # type: ignore[misc] # either name will do
    """A stream each way."""

    _call = call.StreamStreamCall
    _sends_many = True


KINDS = {
    "unary_unary": UnaryUnary,
    "unary_stream": UnaryStream,
    "stream_unary": StreamUnary,
    "stream_stream": StreamStream,
}
