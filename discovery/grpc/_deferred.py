"""asyncio calls that begin before there is an endpoint: they wait for one, then are grpc's own call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

import grpc
from grpc import aio

from discovery.errors import DiscoveryError
from discovery.grpc._errors import aio_error
from discovery.node import Lease

Pick = Callable[[float | None], Awaitable[Lease]]
Begin = Callable[[Lease, float | None], Any]


class Call(aio.Call):
    """Picks in a task of its own; everything else is asked of grpc's call once there is one.

    pick     a lease within the timeout
    begin    grpc's call on that lease, with what is left of the timeout
    timeout  seconds, for both together
    """

    def __init__(self, pick: Pick, begin: Begin, timeout: float | None) -> None:
        self._timeout = timeout
        self._began = time.monotonic()
        self._callbacks: list[Callable[[Any], None]] = []
        self._call: Any = None
        self._error: aio.AioRpcError | None = None
        self._starting = asyncio.ensure_future(self._start(pick, begin))
        self._starting.add_done_callback(self._started)

    async def _start(self, pick: Pick, begin: Begin) -> None:
        try:
            self._call = begin(await pick(self._timeout), self.time_remaining())
        except DiscoveryError as error:
            self._error = aio_error(error)

    def _started(self, starting: asyncio.Task[None]) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self.add_done_callback(callback)
        if not starting.cancelled():
            starting.exception()  # whoever awaits the call gets it; where nobody does, nothing is to be logged

    async def _begun(self) -> Any:
        """grpc's call; raises if there was no endpoint."""
        await asyncio.shield(self._starting)
        if self._error is not None:
            raise self._error
        return self._call

    async def _reply(self) -> Any:
        try:
            await self._starting  # not shielded: as with grpc's own, who stops waiting for the reply cancels the call
            call = await self._begun()
            return await call
        except asyncio.CancelledError:
            self.cancel()
            raise

    def cancelled(self) -> bool:
        return bool(self._call.cancelled()) if self._call is not None else self._starting.cancelled()

    def done(self) -> bool:
        return bool(self._call.done()) if self._call is not None else self._starting.done()

    def time_remaining(self) -> float | None:
        if self._call is not None:
            remaining: float | None = self._call.time_remaining()
            return remaining
        return None if self._timeout is None else max(0.0, self._timeout - (time.monotonic() - self._began))

    def cancel(self) -> bool:
        return bool(self._call.cancel()) if self._call is not None else self._starting.cancel()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        if self._call is not None:
            self._call.add_done_callback(lambda _call: callback(self))
        elif self._starting.done():
            callback(self)
        else:
            self._callbacks.append(callback)

    async def initial_metadata(self) -> Any:
        return await (await self._begun()).initial_metadata()

    async def trailing_metadata(self) -> Any:
        return await self._ended("trailing_metadata")

    async def code(self) -> Any:
        return await self._ended("code")

    async def details(self) -> Any:
        return await self._ended("details")

    async def debug_error_string(self) -> Any:
        return await self._ended("debug_error_string")

    async def wait_for_connection(self) -> None:
        await (await self._begun()).wait_for_connection()

    async def _ended(self, what: str) -> Any:
        """Of grpc's call, or of the end that came before there was one."""
        try:
            call = await self._begun()
        except aio.AioRpcError as error:
            return getattr(error, what)()
        except asyncio.CancelledError:
            if not self._starting.cancelled():
                raise
            return getattr(_CANCELLED, what)()
        return await getattr(call, what)()


_CANCELLED = aio.AioRpcError(
    grpc.StatusCode.CANCELLED, aio.Metadata(), aio.Metadata(), "Locally cancelled by application!", None
)


class _OneReply(Call):
    def __await__(self) -> Generator[Any, None, Any]:
        return self._reply().__await__()


class _ManyReplies(Call):
    async def _replies(self) -> AsyncIterator[Any]:
        async for reply in await self._begun():
            yield reply

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._replies()

    async def read(self) -> Any:
        return await (await self._begun()).read()


class _ManyRequests(Call):
    async def write(self, request: Any) -> None:
        await (await self._begun()).write(request)

    async def done_writing(self) -> None:
        await (await self._begun()).done_writing()


class UnaryUnaryCall(_OneReply, aio.UnaryUnaryCall[Any, Any]):
    """One request, one reply."""


class UnaryStreamCall(_ManyReplies, aio.UnaryStreamCall[Any, Any]):
    """One request, a stream of replies."""


class StreamUnaryCall(_OneReply, _ManyRequests, aio.StreamUnaryCall[Any, Any]):
    """A stream of requests, one reply."""


class StreamStreamCall(_ManyReplies, _ManyRequests, aio.StreamStreamCall[Any, Any]):
    """A stream each way."""
