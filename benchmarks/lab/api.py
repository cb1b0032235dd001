"""The lab's API server: serves a store over HTTP, to clients with a bearer token, on the running asyncio loop."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.authentication import AuthenticationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from .access import BearerTokens
from .api_handlers import Api
from .container_log import PodLogs
from .faults import Faults, control
from .store import Store
from .store_errors import StoreError, TooLargeError
from .watch_stream import TOO_LARGE_RETRY_S, refusal, status

_UNREAD_RESPONSE_S = 1.0  # how long a closing server waits for clients that do not read
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    415: "UnsupportedMediaType",
    422: "Invalid",
}


class ApiServer:
    """Serves a store until the `async with` block ends, at which every watch ends, too.

    Port 0 takes a free one; `url` tells which. `tokens` maps the bearer tokens that are let in to their users; a
    collection of tokens is one of the administrator's, and several servers may share what a `BearerTokens` knows.
    `tls` are the files of a certificate and of its key. `faults` make it misbehave. `logs` are what pods have written.
    With `status_apart` a status is taken by its subresource alone, as real servers do.
    Raises `OSError` where the address cannot be had.
    """

    def __init__(
        self,
        store: Store,
        *,
        host: str,
        port: int,
        tokens: Mapping[str, str] | Collection[str] | BearerTokens,
        tls: tuple[Path, Path] | None = None,
        bookmark_interval_s: float = 60.0,
        faults: Faults | None = None,
        logs: PodLogs | None = None,
        status_apart: bool = False,
    ) -> None:
        self._address = (host, port)
        self._tls = tls
        self._faults = Faults() if faults is None else faults
        self._faults.attach(self, store)
        users = tokens if isinstance(tokens, BearerTokens) else BearerTokens(tokens)
        self._api = Api(store, bookmark_interval_s, users, {} if logs is None else logs, status_apart=status_apart)
        self._app = Starlette(
            routes=[*self._api.routes(), *control.routes(self._faults)],
            middleware=[Middleware(AuthenticationMiddleware, backend=users, on_error=_unauthenticated)],
            exception_handlers={StoreError: _refused, HTTPException: _failed},
        )

    async def __aenter__(self) -> Self:
        self._servers: dict[_Server, asyncio.Task[None]] = {}
        await self.start()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._faults.end()
        await self._shut_down()

    async def start(self) -> None:
        """Listen; after `stop_listening` or `kill` on the same port again."""
        listener = _listener(self._address)
        self._address = host, port = listener.getsockname()
        self.url = f"http{'s' if self._tls else ''}://{host}:{port}"
        server = _Server(self._faults.around(self._app), self._tls, on_shutdown=self._api.end_watches)
        serving = server.serve(sockets=[self._faults.before(listener)])
        self._servers[server] = asyncio.create_task(serving, name="api-server")
        await server.up_or_over.wait()
        if not server.started:
            await self._servers.pop(server)

    def stop_listening(self) -> None:
        """Refuse new connections, and new requests on those that are open; what is being answered goes on."""
        for server in self._servers:
            server.stop_listening()

    async def kill(self) -> None:
        """Refuse new connections and drop those that are open in the middle of whatever they do."""
        self.stop_listening()
        self.abort_connections()
        await asyncio.shield(self._shut_down())  # it is over even if the one who asked for it is cancelled

    def abort_connections(self) -> None:
        """Drop those that are open; new ones are welcome."""
        for server in self._servers:
            server.abort_connections()

    def end_watches(self) -> None:
        """End those that are open, in good order."""
        self._api.end_watches()

    async def _shut_down(self) -> None:
        for server in self._servers:
            server.should_exit = True
        await asyncio.gather(*self._servers.values())
        self._servers.clear()


def _listener(address: tuple[str, int]) -> socket.socket:
    # The protocol is given because asyncio sets TCP_NODELAY on connections only if it is; without it, each
    # response waits 40 ms for the acknowledgement of its headers.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    """uvicorn for use inside another program: signals stay that program's, and nothing outlives `serve`."""

    def __init__(self, app: ASGIApp, tls: tuple[Path, Path] | None, on_shutdown: Callable[[], None]) -> None:
        certificate, key = tls or (None, None)
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                # Longer than any client keeps an idle connection, so that the client is the one to close it.
                timeout_keep_alive=75,
                ssl_certfile=certificate,
                ssl_keyfile=key,
            )
        )
        self.servers = []
        self.up_or_over = asyncio.Event()
        self._on_shutdown = on_shutdown

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            # Nothing is left here, unless this task was cancelled before it had shut down.
            self.stop_listening()
            self.abort_connections()
            self.up_or_over.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up_or_over.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_shutdown()
        aborting = asyncio.get_running_loop().call_later(_UNREAD_RESPONSE_S, self.abort_connections)
        try:
            await super().shutdown(sockets)
        finally:
            aborting.cancel()

    def stop_listening(self) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()  # once it has sent what it is sending

    def abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _unauthenticated(_conn: HTTPConnection, error: AuthenticationError) -> Response:
    return JSONResponse(status(401, _REASONS[401], str(error)), 401)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreError)
    headers = {"retry-after": str(TOO_LARGE_RETRY_S)} if isinstance(error, TooLargeError) else None
    return JSONResponse(refusal(error), error.code, headers)


async def _failed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = _REASONS.get(error.status_code, "")
    detail = error.detail if error.detail != "Not Found" else "the server could not find the requested resource"
    return JSONResponse(status(error.status_code, reason, detail), error.status_code)
