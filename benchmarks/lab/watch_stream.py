"""What a watch sends: one JSON line for each event, bookmarks in between, an ERROR line where history is gone."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import count, takewhile
from typing import Any

from .history import Watch
from .kinds import Kind, Object
from .store_errors import ExpiredError, StoreError, TooLargeError

TOO_LARGE_RETRY_S = 1
_LAST_BOOKMARK_S = 2.0  # how long before a watch's end the API server sends the last bookmark


def status(code: int, reason: str, message: str) -> dict[str, Any]:
    """The Kubernetes object that reports a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def refusal(error: StoreError) -> dict[str, Any]:
    """The `Status` of an operation that the store refused."""
    report = status(error.code, error.reason, str(error))
    if isinstance(error, TooLargeError):
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        report["details"] = {"causes": [cause], "retryAfterSeconds": TOO_LARGE_RETRY_S}
    return report


async def watch_lines(
    watch: Watch,
    kind: Kind,
    initial: Iterable[Object],
    *,
    timeout_s: float,
    bookmark_interval_s: float | None,
    mark_end_of_initial: bool = False,
    shape: Callable[[Object], Object] = lambda obj: obj,
) -> AsyncIterator[bytes]:
    """The lines of one watch, until its time is over, it is closed, or its place in the history is gone.

    `initial` are objects to report as ADDED first, with a bookmark after them where their end is to be marked;
    without an interval there are no other bookmarks. `shape` makes of each object what the client wants to see.
    """
    first_version = watch.version
    for obj in initial:
        yield _line("ADDED", shape(obj))
    if mark_end_of_initial:
        end_mark = {"resourceVersion": str(first_version), "annotations": {"k8s.io/initial-events-end": "true"}}
        yield _line("BOOKMARK", shape({**_bookmark(kind, first_version), "metadata": end_mark}))
    begin = asyncio.get_running_loop().time()
    end = begin + timeout_s
    try:
        for moment in (*_bookmark_moments(begin, end, bookmark_interval_s), end):
            woken = True
            while woken and not watch.closed:
                for event in watch.take():
                    yield _line(event.type, shape(event.object))
                woken = await _woken_before(moment, watch)
            if watch.closed:
                return
            if moment < end and not watch.ahead:
                yield _line("BOOKMARK", shape(_bookmark(kind, watch.version)))
    except ExpiredError as error:
        yield _line("ERROR", refusal(error))


async def _woken_before(moment: float, watch: Watch) -> bool:
    try:
        async with asyncio.timeout_at(moment):
            await watch.wait()
    except TimeoutError:
        return False
    return True


def _bookmark_moments(begin: float, end: float, interval_s: float | None) -> Iterator[float]:
    if interval_s is None:
        return
    last = end - min(_LAST_BOOKMARK_S, (end - begin) / 2)
    yield from takewhile(lambda moment: moment < last, (begin + interval_s * number for number in count(1)))
    yield last


def _bookmark(kind: Kind, version: int) -> Object:
    return {
        "kind": kind.name,
        "apiVersion": kind.api_version,
        "metadata": {"resourceVersion": str(version)},
        **kind.blank,
    }


def _line(event_type: str, obj: Object) -> bytes:
    # ASCII only, so that a reader who splits at every kind of line break that Unicode has stays whole.
    return json.dumps({"type": event_type, "object": obj}, separators=(",", ":")).encode() + b"\n"
