"""What can be done to a request: a short function for each misbehaviour, without a say in which requests it meets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse

from ..watch_stream import status
from .exchange import Behaviour, Exchange, Object, before, line_by_line, with_objects

_SEPARATE_S: Final = 0.005
"""Between two pieces of a line, so that the client's kernel does not hand them over as one."""
_NOTE: Final = "a\u0085b\u2028c"


def refuse(code: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer with a `Status`."""

    async def behave(exchange: Exchange) -> None:
        answer = JSONResponse(status(code, reason, message), code, headers)
        await answer(exchange.scope, exchange.receive, exchange.send)

    return behave


async def refuse_streamed_lists(exchange: Exchange) -> None:
    """Refuse a watch that asks for a list first, as a real server of 1.31 does; let others through."""
    if "sendInitialEvents" not in Request(exchange.scope).query_params:
        await exchange.go_on()
        return
    message = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
    await refuse(422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: {message}')(
        exchange
    )


async def never_answer(exchange: Exchange) -> None:
    """Read the request and send nothing; answer once the fault is over."""
    if await exchange.until_cleared():
        await exchange.go_on()


async def send_headers_only(exchange: Exchange) -> None:
    """Send the headers and nothing else; end the answer once the fault is over."""
    await exchange.begin()
    if await exchange.until_cleared():
        await exchange.write(b"", more=False)


async def send_garbage(exchange: Exchange) -> None:
    """Answer with success and with something that is not JSON."""
    await exchange.begin("text/html")
    await exchange.write(b"<html>\n\x00\xff\xfe it works!\n</html>\n", more=False)


def end_after(events: int, part: float = 0.0) -> Behaviour:
    """Let so many events of a watch through, then `part` (0 to 1) of the next one, and end the answer in good order."""

    async def behave(exchange: Exchange) -> None:
        if not events and not part:
            await exchange.begin()
            await exchange.write(b"", more=False)
            return
        passed, over = itertools.count(1), asyncio.Event()

        async def each(line: bytes) -> AsyncIterator[bytes]:
            number = next(passed)
            yield line if number <= events else line[: int(len(line) * part)]
            if number == events + bool(part):
                over.set()
                await asyncio.Event().wait()  # to be cancelled, before there is another line

        await before(over, line_by_line(exchange, each))
        if over.is_set():
            await exchange.write(b"", more=False)

    return behave


async def tear_lines(exchange: Exchange) -> None:
    """Send a blank line before each line of a watch, and the line in two halves."""

    async def torn(line: bytes) -> AsyncIterator[bytes]:
        middle = len(line) // 2
        for piece in (b"\n", line[:middle], line[middle:]):
            yield piece
            await asyncio.sleep(_SEPARATE_S)

    await line_by_line(exchange, torn)


def delay(response_s: float, event_s: float) -> Behaviour:
    """Let pass so many seconds before the answer, and before each event of a watch."""

    async def behave(exchange: Exchange) -> None:
        async def late(line: bytes) -> AsyncIterator[bytes]:
            await exchange.pause(event_s)
            yield line

        await exchange.pause(response_s)
        if event_s and exchange.is_watch:
            await line_by_line(exchange, late)
        else:
            await exchange.go_on()

    return behave


async def annotate(exchange: Exchange) -> None:
    """Put line breaks that only Unicode knows into an annotation of each object."""
    await with_objects(exchange, _annotated)


async def add_unknown_fields(exchange: Exchange) -> None:
    """Add fields of a version yet to come wherever an object has fields."""
    await with_objects(exchange, _extended)


async def null_empty_lists(exchange: Exchange) -> None:
    """Write each empty list as null."""
    await with_objects(exchange, _nulled)


def _annotated(document: Object) -> Object:
    objects = document["items"] if "items" in document else [document.get("object", document)]
    for obj in objects or ():
        metadata = obj.setdefault("metadata", {})
        metadata["annotations"] = {**(metadata.get("annotations") or {}), "lab/note": _NOTE}
    return document


def _extended(value: Any) -> Any:
    if isinstance(value, list):
        return [_extended(each) for each in value]
    if isinstance(value, dict):
        # Not into labels and annotations, which are maps of the user's own, and not fields.
        known = {name: each if name in {"labels", "annotations"} else _extended(each) for name, each in value.items()}
        return {**known, "fieldOfTheFuture": {"of": [1, None, "unknown"]}}
    return value


def _nulled(value: Any) -> Any:
    if isinstance(value, list):
        return [_nulled(each) for each in value] or None
    if isinstance(value, dict):
        return {name: _nulled(each) for name, each in value.items()}
    return value
