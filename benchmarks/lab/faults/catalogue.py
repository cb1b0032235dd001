"""What the API server of a lab can be told to do wrong, each by its name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from functools import partial
from typing import Any, Protocol, Unpack

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ..store import Store
from . import behaviours
from .exchange import Behaviour, Exchange
from .fault import Fault, Limits, Requests, When
from .listener import Listener, Verdict

_TRUE = frozenset({"true", "1"})
_CONTROL = "/lab/"


class Server(Protocol):
    """What an API server lets faults do to it."""

    async def start(self) -> None: ...
    def stop_listening(self) -> None: ...
    async def kill(self) -> None: ...
    def abort_connections(self) -> None: ...
    def end_watches(self) -> None: ...


class Faults:
    """The faults of one API server: none at first, each in force from its call until it is cleared.

    Each can be used as `with faults.internal_error(of="lists", count=2):`, or left to its limits, or cleared by hand.
    Where several meet a request, the one called first is the one next to the client. All of it on the server's loop.
    """

    def __init__(self) -> None:
        self._faults: dict[Fault, Behaviour | Verdict] = {}
        self._held: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # Refusals

    def too_many_requests(self, retry_after_s: int = 1, **when: Unpack[When]) -> Fault:
        """429 with Retry-After (whole seconds): what priority and fairness answers while too many requests wait."""
        headers = {"retry-after": str(retry_after_s)}
        message = "Too many requests, please try again later."
        return self._answer("too_many_requests", when, behaviours.refuse(429, "TooManyRequests", message, headers))

    def internal_error(self, **when: Unpack[When]) -> Fault:
        """500: etcd has no leader, or a handler has panicked."""
        message = "Internal error occurred: etcdserver: no leader"
        return self._answer("internal_error", when, behaviours.refuse(500, "InternalError", message))

    def too_large_version(self, **when: Unpack[When]) -> Fault:
        """504 with Retry-After 1: a LIST asks for a version that this server's cache has not reached, or never will."""
        message = "Timeout: Too large resource version: 9000000, current: 1"
        return self._answer("too_large_version", when, behaviours.refuse(504, "Timeout", message, {"retry-after": "1"}))

    def unauthorized(self, **when: Unpack[When]) -> Fault:
        """401: a token has expired, or the server has just started and does not know the ServiceAccount yet."""
        return self._answer("unauthorized", when, behaviours.refuse(401, "Unauthorized", "Unauthorized"))

    def forbidden(self, **when: Unpack[When]) -> Fault:
        """403: a Role is missing, or the server has just started and does not have the Roles yet."""
        return self._answer("forbidden", when, behaviours.refuse(403, "Forbidden", "forbidden: not allowed by RBAC"))

    def no_streamed_lists(self, **limits: Unpack[Limits]) -> Fault:
        """422 to watches that ask for a list first (sendInitialEvents): a server before 1.32, or without that gate."""
        return self._of_watches("no_streamed_lists", limits, behaviours.refuse_streamed_lists)

    # Answers that are not what they should be

    def garbage(self, **when: Unpack[When]) -> Fault:
        """200 and a page that is not JSON: a proxy or a login page on the way answers in the server's place."""
        return self._answer("garbage", when, behaviours.send_garbage)

    def torn_lines(self, **limits: Unpack[Limits]) -> Fault:
        """Blank lines, and lines in two writes: what TCP and proxies make of a stream, whose chunks mean nothing."""
        return self._of_watches("torn_lines", limits, behaviours.tear_lines)

    def cut_line(self, events: int = 0, **limits: Unpack[Limits]) -> Fault:
        """A watch ends within a line, after so many whole ones: a proxy on the way gives up."""
        return self._of_watches("cut_line", limits, behaviours.end_after(events, part=0.5))

    def unicode_line_breaks(self, **when: Unpack[When]) -> Fault:
        """U+0085 and U+2028 in an annotation, unescaped: allowed within JSON strings, but not by `str.splitlines`."""
        return self._answer("unicode_line_breaks", when, behaviours.annotate)

    def unknown_fields(self, **when: Unpack[When]) -> Fault:
        """Fields that this version does not know: a server newer than its client has them everywhere."""
        return self._answer("unknown_fields", when, behaviours.add_unknown_fields)

    def null_lists(self, **when: Unpack[When]) -> Fault:
        """null for each empty list: how Go writes a list that was never made, `endpoints` of a new slice for one."""
        return self._answer("null_lists", when, behaviours.null_empty_lists)

    # Ends

    def end_watches(self) -> None:
        """End every watch that is open, in good order: each reaches its `timeoutSeconds`."""
        self._server.end_watches()

    def close_watches(self, events: int = 0, **limits: Unpack[Limits]) -> Fault:
        """End watches in good order after so many events; after none, a server whose cache is not filled yet."""
        return self._of_watches("close_watches", limits, behaviours.end_after(events))

    def close_at_once(self, **limits: Unpack[Limits]) -> Fault:
        """Drop open connections, and each new one before TLS: a load balancer that has no API server behind it."""
        fault = self._put(Fault("close_at_once", {"of": "all", **limits}), "close")
        self._server.abort_connections()
        return fault

    # Silence

    def delay(self, response_s: float = 0.0, event_s: float = 0.0, **when: Unpack[When]) -> Fault:
        """Answers, and events of watches, later by so many seconds: a server or a network that is overloaded."""
        return self._answer("delay", when, behaviours.delay(response_s, event_s))

    def never_answer(self, **when: Unpack[When]) -> Fault:
        """Read requests and do not answer them until the fault is over: a server that waits for etcd."""
        return self._answer("never_answer", when, behaviours.never_answer)

    def silent_after_headers(self, **when: Unpack[When]) -> Fault:
        """Headers and nothing more, no bookmark either: a watch from a version of the future, or packets dropped."""
        return self._answer("silent_after_headers", when, behaviours.send_headers_only)

    def stop_reading(self, **limits: Unpack[Limits]) -> Fault:
        """Accept connections and never read them, not even for TLS: the kernel of a frozen server (SIGSTOP) does.

        Connections that are open are dropped, so that all come back to this; those held are when it is over.
        """
        fault = self._put(Fault("stop_reading", {"of": "all", **limits}, self._drop_held), "hold")
        self._server.abort_connections()
        return fault

    # Versions

    def expire_versions(self) -> None:
        """Forget all changes so far: etcd compacts its history every 5 minutes. Older versions get 410 from now on."""
        self._store.compact()

    async def lose_versions(self, changes: int) -> None:
        """Kill the server and start it without the last changes, as far as they are kept: etcd restored from a backup.

        Objects and version are those of back then; a newer version that a client has seen is one from the future.
        """
        self._store.undo(changes)
        await self._server.kill()
        await self._server.start()

    # Outages

    async def kill(self) -> None:
        """End the server at once, until `start`: streams are cut off, connections refused."""
        await self._server.kill()

    def stop_listening(self) -> None:
        """Stop the server gently, until `start`: connections are refused, watches go on (a real one's: for 60 s)."""
        self._server.stop_listening()

    async def start(self) -> None:
        """Start the server again, on the same port."""
        await self._server.start()

    # What the server calls

    def attach(self, server: Server, store: Store) -> None:
        """From now on these are the faults of this server."""
        self._server, self._store = server, store

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app` with the faults of requests."""

        async def misbehaving(scope: Scope, receive: Receive, send: Send) -> None:
            request, inner = Request(scope), app
            if request.url.path.startswith(_CONTROL):
                await app(scope, receive, send)
                return
            requests = _requests(request)
            # From the inside out, so that the fault that was called first is the outermost one.
            for fault, behaviour in reversed(self._faults.items()):
                if callable(behaviour) and fault.meets(requests):
                    inner = partial(_meet, inner, behaviour, fault.cleared, requests == "watches")
            await inner(scope, receive, send)

        return misbehaving

    def before(self, listener: socket.socket) -> socket.socket:
        """A listening socket with the faults of connections, which takes the place of this one."""
        return Listener.around(listener, self._verdict, self._held)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Carry this out beside the request that asks for it; the end of the server ends it, too."""
        task = asyncio.create_task(work, name="fault")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """The server is about to end: nothing is held up any more."""
        self.clear()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def in_force(self) -> tuple[Fault, ...]:
        """Those that may still meet something."""
        return tuple(fault for fault in self._faults if fault.in_force)

    def clear(self) -> None:
        """End all faults; a server that is down stays down."""
        for fault in tuple(self._faults):
            fault.clear()
        self._faults.clear()

    def _verdict(self) -> Verdict:
        for fault, verdict in self._faults.items():
            if isinstance(verdict, str) and fault.meets("all"):
                return verdict
        return "serve"

    def _answer(self, name: str, when: When, behaviour: Behaviour) -> Fault:
        return self._put(Fault(name, when), behaviour)

    def _of_watches(self, name: str, limits: Limits, behaviour: Behaviour) -> Fault:
        return self._put(Fault(name, {"of": "watches", **limits}), behaviour)

    def _put(self, fault: Fault, does: Behaviour | Verdict) -> Fault:
        self._faults = {one: done for one, done in self._faults.items() if not one.cleared.is_set()} | {fault: does}
        return fault

    def _drop_held(self) -> None:
        for connection in self._held:
            connection.close()
        self._held.clear()


async def _meet(
    app: ASGIApp, does: Behaviour, cleared: asyncio.Event, watch: bool, scope: Scope, receive: Receive, send: Send
) -> None:
    await does(Exchange(app, scope, receive, send, watch, cleared))


def _requests(request: Request) -> Requests:
    """What kind of request it is; `all` where it is neither a list nor a watch."""
    match request.url.path.strip("/").split("/"):
        case ["api", _, *place] | ["apis", _, _, *place] if request.method == "GET":
            if request.query_params.get("watch") in _TRUE:
                return "watches"
            if len(place) == 1 or (len(place) == 3 and place[0] == "namespaces"):
                return "lists"
    return "all"
