"""asyncio calls: grpc's own once there is an endpoint, and another one of its for each further try."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, Protocol

import grpc
from grpc import aio

from discovery.balancer import Balancer
from discovery.errors import DiscoveryError
from discovery.grpc._attempts import Attempts, left_s
from discovery.grpc._errors import CANCELLED_DETAILS, aio_error
from discovery.grpc._methods import Method
from discovery.grpc._replay import AsyncReplay
from discovery.model import Outcome
from discovery.node import Lease

_CANCELLED = aio.AioRpcError(grpc.StatusCode.CANCELLED, aio.Metadata(), aio.Metadata(), CANCELLED_DETAILS, None)


class _Maker(Protocol):
    """The multicallable that the call is of."""

    balancer: Balancer
    method: Method

    def begin(self, lease: Lease, request: Any, timeout_s: float | None, rest: tuple[Any, ...]) -> Any: ...

    def end_with(self, lease: Lease, begun: Any) -> None: ...

    def ended(self, lease: Lease, code: grpc.StatusCode, details: str | None) -> None: ...


class Call(aio.Call):
    """Where an endpoint is at hand, grpc's call begins at once and no task is made: only waiting for an endpoint,
    and a further try, need one. A call that failed goes on when somebody asks what became of it.
    """

    # Those that few calls need are the class's, until a call has its own.
    _deadline: float | None = None
    _call: Any = None
    _lease: Lease | None = None
    _starting: asyncio.Task[None] | None = None
    _error: aio.AioRpcError | None = None
    _attempts: Attempts | None = None
    _final = False
    _watched = False
    _ends_when_awaited = False
    """Whoever awaits the reply ends the lease, which costs a third of a callback; few do anything else with a call."""

    def __init__(
        self,
        maker: _Maker,
        request: Any,
        timeout_s: float | None,
        rest: tuple[Any, ...],
        waits: bool,
        lease: Lease | None,
        call: Any,
    ) -> None:
        self._maker = maker
        self._request = request
        self._rest = rest
        self._waits = waits
        if timeout_s is not None:
            self._deadline = time.monotonic() + timeout_s
        if lease is not None:
            self._lease = lease
            self._call = call
            if not self._ends_when_awaited:
                self._watch()
        else:
            self._starting = asyncio.ensure_future(self._start(0.0))
            self._starting.add_done_callback(_heard)

    # The tries

    def _watch(self) -> None:
        """Have the end of grpc's call end the lease, whatever becomes of this one."""
        if self._lease is not None and not self._watched:
            self._watched = True
            self._maker.end_with(self._lease, self._call)

    def _can_be_sent_again(self) -> bool:
        return True

    async def _start(self, delay_s: float) -> None:
        """Wait so long, then for an endpoint, and begin there."""
        if delay_s:
            await asyncio.sleep(delay_s)
        failed = self._attempts.failed if self._attempts else ()
        try:
            lease = await self._maker.balancer.pick_async(
                None, failed, left_s(self._deadline), wait_for_ready=self._waits
            )
        except DiscoveryError as error:
            self._error = aio_error(error)
            return
        self._lease = lease
        self._call = self._maker.begin(lease, self._request, left_s(self._deadline), self._rest)
        self._watched = False
        self._watch()

    def _goes_on(self, failed: Any) -> bool:
        """Whether there is another try after this call of grpc's, which has ended; if so, it is under way."""
        if failed is not self._call or (self._starting is not None and not self._starting.done()):
            return True  # somebody else has asked before
        if self._final or self._lease is None:
            return False
        self._final = True
        code = at_once(failed.code())
        if code is grpc.StatusCode.OK or failed.cancelled() or not self._can_be_sent_again():
            return False
        if self._attempts is None:
            config = self._maker.method.config
            self._attempts = Attempts(self._maker.balancer, config, self._deadline, waits=self._waits)
        delay_s = self._attempts.after(self._lease.endpoint, code, at_once(failed.details()))
        if delay_s is None:
            return False
        self._final = False
        self._starting = asyncio.ensure_future(self._start(delay_s))
        self._starting.add_done_callback(_heard)
        return True

    async def _begun(self) -> Any:
        """grpc's call of the present try; raises if there was no endpoint."""
        self._watch()
        if self._starting is not None:
            await asyncio.shield(self._starting)
            if self._error is not None:
                raise self._error
        return self._call

    async def _ended(self) -> Any:
        """grpc's call when all is over, or the error in its place."""
        while True:
            try:
                call = await self._begun()
            except aio.AioRpcError as error:
                return _Over(error)
            except asyncio.CancelledError:
                if self._starting is None or not self._starting.cancelled():
                    raise
                return _Over(_CANCELLED)
            await call.code()
            if not self._goes_on(call):
                return call

    # What callers ask

    def cancelled(self) -> bool:
        if self._starting is not None and self._starting.cancelled():
            return True
        return bool(self._call is not None and self._call.cancelled())

    def done(self) -> bool:
        self._watch()
        if self._starting is not None:
            if not self._starting.done():
                return False
            if self._starting.cancelled() or self._error is not None:
                return True
        return bool(self._call.done()) and not self._goes_on(self._call)

    def time_remaining(self) -> float | None:
        return left_s(self._deadline)

    def cancel(self) -> bool:
        self._watch()
        if self._starting is not None and not self._starting.done():
            return self._starting.cancel()
        return bool(self._call is not None and self._call.cancel())

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        if self.done():
            callback(self)
            return
        current: Any = self._call
        if self._starting is not None and not self._starting.done():
            current = self._starting
        current.add_done_callback(lambda _: self.add_done_callback(callback))

    async def initial_metadata(self) -> Any:
        while True:
            call = await self._begun()
            metadata = await call.initial_metadata()
            if not call.done() or not self._goes_on(call):
                return metadata

    async def trailing_metadata(self) -> Any:
        return await (await self._ended()).trailing_metadata()

    async def code(self) -> Any:
        return await (await self._ended()).code()

    async def details(self) -> Any:
        return await (await self._ended()).details()

    async def debug_error_string(self) -> Any:
        return await (await self._ended()).debug_error_string()

    async def wait_for_connection(self) -> None:
        await (await self._begun()).wait_for_connection()


class _Over:
    """An error with the face of an ended call."""

    def __init__(self, error: aio.AioRpcError) -> None:
        self._error = error

    async def trailing_metadata(self) -> Any:
        return self._error.trailing_metadata()

    async def code(self) -> Any:
        return self._error.code()

    async def details(self) -> Any:
        return self._error.details()

    async def debug_error_string(self) -> Any:
        return self._error.debug_error_string()


def at_once(asking: Coroutine[Any, Any, Any]) -> Any:
    """The answer of a coroutine that has no reason to wait: the `code()` of a call that has ended, say."""
    try:
        asking.send(None)
    except StopIteration as answer:
        return answer.value
    asking.close()
    return None


def _heard(starting: asyncio.Task[None]) -> None:
    if not starting.cancelled():
        starting.exception()  # whoever awaits the call gets it; where nobody does, nothing is to be logged


class _OneReply(Call):
    _ends_when_awaited = True

    def __await__(self) -> Generator[Any, None, Any]:
        call, lease = self._call, self._lease
        if self._starting is None and lease is not None:
            self._watched = True
            try:
                reply = yield from call.__await__()
            except aio.AioRpcError as error:
                self._maker.ended(lease, error.code(), error.details())
                if not self._goes_on(call):
                    raise
            except BaseException:
                lease.done(Outcome.CANCELLED)
                raise
            else:
                lease.done()
                return reply
        return (yield from self._reply().__await__())

    def __del__(self) -> None:
        if not self._watched:
            self._watch()  # it was never awaited, and may still run

    async def _reply(self) -> Any:
        try:
            while True:
                if self._starting is not None:
                    await self._starting  # not shielded: who stops waiting for the reply cancels the call
                call = await self._begun()
                try:
                    return await call
                except aio.AioRpcError:
                    if not self._goes_on(call):
                        raise
        except asyncio.CancelledError:
            self.cancel()
            raise


class _ManyReplies(Call):
    _committed = False
    _iterating: AsyncIterator[Any] | None = None

    def _can_be_sent_again(self) -> bool:
        return not self._committed and super()._can_be_sent_again()

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._iterating is None:
            self._iterating = self._replies()
        return self._iterating

    async def _replies(self) -> AsyncIterator[Any]:
        while True:
            call = await self._begun()
            try:
                async for reply in call:
                    self._committed = True
                    yield reply
            except aio.AioRpcError:
                if not self._goes_on(call):
                    raise
            else:
                return

    async def read(self) -> Any:
        while True:
            call = await self._begun()
            try:
                reply = await call.read()
            except aio.AioRpcError:
                if not self._goes_on(call):
                    raise
            else:
                self._committed = True
                return reply


class _ManyRequests(Call):
    """Of an iterator the requests can be sent again, of `write` they cannot."""

    _request: AsyncReplay | None
    _written = False

    def _can_be_sent_again(self) -> bool:
        kept = self._request is None or self._request.complete
        return kept and not self._written and super()._can_be_sent_again()

    async def write(self, request: Any) -> None:
        call = await self._begun()
        self._written = True
        await call.write(request)

    async def done_writing(self) -> None:
        call = await self._begun()
        self._written = True
        await call.done_writing()


class UnaryUnaryCall(_OneReply, aio.UnaryUnaryCall[Any, Any]):
    """One request, one reply."""


class UnaryStreamCall(_ManyReplies, aio.UnaryStreamCall[Any, Any]):
    """One request, a stream of replies."""


class StreamUnaryCall(_OneReply, _ManyRequests, aio.StreamUnaryCall[Any, Any]):
    """A stream of requests, one reply."""


class StreamStreamCall(_ManyReplies, _ManyRequests, aio.StreamStreamCall[Any, Any]):
    """A stream each way."""
