"""A request on its way through a fault, and the ways to hold it up, cut it short and change what it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, what would answer it, and the end of the fault that it has met."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    is_watch: bool
    cleared: asyncio.Event

    async def go_on(self, send: Send | None = None) -> None:
        """Answer as if nothing were the matter; through `send`, if given."""
        await self.app(self.scope, self.receive, send or self.send)

    async def begin(self, media_type: str = "application/json", code: int = 200) -> None:
        """Send the headers of an answer, at once."""
        headers = [(b"content-type", media_type.encode())]
        await self.send({"type": "http.response.start", "status": code, "headers": headers})
        await self.write(b"")

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece of the body, or the last one."""
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than the fault lasts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.cleared.wait()

    async def until_cleared(self) -> bool:
        """Wait for the fault's end; False if the client leaves before it."""
        await before(self.cleared, self._left())
        return self.cleared.is_set()

    async def _left(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass


Behaviour = Callable[[Exchange], Awaitable[None]]


async def before(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run `work`, but end it when the event is set."""
    tasks = {asyncio.create_task(work), asyncio.create_task(_set(event))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def line_by_line(exchange: Exchange, each: Callable[[bytes], AsyncIterator[bytes]]) -> None:
    """Answer, with each line of a stream (it ends in a newline) replaced by the pieces that `each` makes of it.

    An answer that is no stream, the refusal of a watch for one, is left as it is.
    """
    streams = False

    async def passing(message: Message) -> None:
        nonlocal streams
        if message["type"] == "http.response.start":
            streams = _length(message) is None
        if message["type"] == "http.response.start" or not streams:
            await exchange.send(message)
            return
        for line in message.get("body", b"").splitlines(keepends=True):
            async for piece in each(line):
                await exchange.write(piece)
        if not message.get("more_body", False):
            await exchange.write(b"", more=False)

    await exchange.go_on(passing)


async def with_objects(exchange: Exchange, change: Callable[[Object], Object]) -> None:
    """Answer, with each JSON document (a stream has one in each line) replaced by what `change` makes of it."""

    def changed(document: bytes) -> bytes:
        # Not ASCII only: a real server writes characters as they are.
        return json.dumps(change(json.loads(document)), ensure_ascii=False).encode() + b"\n"

    async def each(line: bytes) -> AsyncIterator[bytes]:
        yield changed(line)

    start: Message = {}
    body = bytearray()

    async def whole(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        body.extend(message["body"])
        if not message.get("more_body", False):
            answer = changed(bytes(body)) if _media_type(start) == b"application/json" else bytes(body)
            start["headers"] = [header for header in start["headers"] if header[0] != b"content-length"]
            await exchange.send(start)
            await exchange.write(answer, more=False)

    if exchange.is_watch:
        await line_by_line(exchange, each)
    else:
        await exchange.go_on(whole)


def _length(start: Message) -> bytes | None:
    return dict(start["headers"]).get(b"content-length")


def _media_type(start: Message) -> bytes | None:
    return dict(start["headers"]).get(b"content-type")
