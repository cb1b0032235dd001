"""The four kinds of sync multicallables: pick an endpoint, then grpc's own multicallable on its channel."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import grpc

from discovery.balancer import Balancer
from discovery.errors import Closed, DiscoveryError
from discovery.grpc._attempts import Attempts, left_s, outcome, ran
from discovery.grpc._call import FutureCall, StreamCall
from discovery.grpc._errors import PickError
from discovery.grpc._methods import Method
from discovery.grpc._replay import Replay
from discovery.model import Endpoint, Outcome
from discovery.node import Lease
from discovery.retries import Ran


class _Multicallable:
    """One method of a stub on the whole channel.

    sends_many  its request is an iterator, which stubs may give as `request_iterator`
    """

    sends_many = False

    def __init__(self, balancer: Balancer, method: Method) -> None:
        self.balancer = balancer
        self.method = method
        self._pick = balancer.at_hand
        self._count = balancer.retry_budget.request

    def at_hand(self, failed: Collection[Endpoint], *, waits: bool) -> Lease | None:
        """A lease, if there is one without waiting; raises as grpc's own channel does."""
        try:
            return self.balancer.pick_nowait(None, failed, wait_for_ready=waits)
        except DiscoveryError as error:
            raise as_grpcs(error) from error

    def ended(self, lease: Lease, code: grpc.StatusCode | None, details: str | None) -> None:
        """The call on this lease is over."""
        lease.done(outcome(code, details))
        if code is grpc.StatusCode.UNAVAILABLE and not lease.node.draining:
            lease.node.connection.lost(unreached=ran(lease.endpoint, code, details) is Ran.NO)

    def _asked(self, timeout: float | None, wait_for_ready: bool | None) -> tuple[float | None, float | None, bool]:
        """The timeout, the deadline and whether to wait for ready: of the caller and of the service config."""
        self._count()
        config = self.method.config
        if config.timeout_s is not None:
            timeout = config.timeout_s if timeout is None else min(timeout, config.timeout_s)
        deadline = None if timeout is None else time.monotonic() + timeout
        return timeout, deadline, config.wait_for_ready if wait_for_ready is None else wait_for_ready

    def _awaited(self, failed: Collection[Endpoint], deadline: float | None, *, waits: bool) -> Lease:
        try:
            return self.balancer.pick(None, failed, left_s(deadline), wait_for_ready=waits)
        except DiscoveryError as error:
            raise as_grpcs(error) from error


def as_grpcs(error: DiscoveryError) -> Exception:
    if isinstance(error, Closed):
        return ValueError(f"Cannot invoke RPC on closed channel! {error}")
    return PickError(error)


class _AnswersOnce(_Multicallable):
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
        if request_iterator is not None:
            request = request_iterator
        return self._wait("__call__", request, timeout, wait_for_ready, metadata, credentials, compression)

    def with_call(
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
        if request_iterator is not None:
            request = request_iterator
        return self._wait("with_call", request, timeout, wait_for_ready, metadata, credentials, compression)

    def future(
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
        if request_iterator is not None:
            request = request_iterator
        _, deadline, waits = self._asked(timeout, wait_for_ready)
        return FutureCall(self, request, deadline, (metadata, credentials, None, compression), waits=waits)

    def _wait(self, how: str, request: Any, timeout: float | None, wait_for_ready: bool | None, *rest: Any) -> Any:
        """Make the call and wait for its end, over several tries if need be."""
        metadata, credentials, compression = rest
        timeout, deadline, waits = self._asked(timeout, wait_for_ready)
        attempts: Attempts | None = None
        replay = Replay(request) if self.sends_many else None
        while True:
            failed = attempts.failed if attempts else ()
            try:
                lease = self._pick(None, failed)
            except DiscoveryError:
                lease = None  # the long way tells more
            if lease is None:
                lease = self._awaited(failed, deadline, waits=waits)
                timeout = left_s(deadline)
            call = lease.node.connection[self.method]
            if how == "with_call":
                call = call.with_call
            try:
                reply = call(replay.begin() if replay else request, timeout, metadata, credentials, None, compression)
            except grpc.RpcError as error:
                # grpc's own errors are calls, too, which their type does not tell.
                code, details = error.code(), error.details()
                self.ended(lease, code, details)
                attempts = attempts or Attempts(self.balancer, self.method.config, deadline, waits=waits)
                delay_s = attempts.after(lease.endpoint, code, details)
                if delay_s is None or (replay and not replay.complete):
                    raise
                time.sleep(delay_s)
                timeout = left_s(deadline)
            except BaseException:
                lease.done(Outcome.CANCELLED)
                raise
            else:
                lease.done()
                return reply


class _AnswersMany(_Multicallable):
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
        if request_iterator is not None:
            request = request_iterator
        _, deadline, waits = self._asked(timeout, wait_for_ready)
        return StreamCall(self, request, deadline, (metadata, credentials, None, compression), waits=waits)


class UnaryUnary(_AnswersOnce, grpc.UnaryUnaryMultiCallable):
    """One request, one reply."""


class UnaryStream(_AnswersMany, grpc.UnaryStreamMultiCallable):
    """One request, a stream of replies."""


class StreamUnary(_AnswersOnce, grpc.StreamUnaryMultiCallable):  # type: ignore[misc] # either name will do
    """A stream of requests, one reply."""

    sends_many = True


class StreamStream(_AnswersMany, grpc.StreamStreamMultiCallable):  # type: ignore[misc] # either name will do
    """A stream each way."""

    sends_many = True


KINDS = {
    "unary_unary": UnaryUnary,
    "unary_stream": UnaryStream,
    "stream_unary": StreamUnary,
    "stream_stream": StreamStream,
}
