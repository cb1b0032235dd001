"""The lab's API server: serves a store over HTTP, to clients with a bearer token, on the running asyncio loop."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
)
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from .api_handlers import Api
from .store import Store
from .store_errors import StoreError
from .watch_stream import refusal, status

_OPEN_PATHS = frozenset({"/healthz", "/version"})  # a real server answers these without a token, too
_UNREAD_RESPONSE_S = 1.0  # how long a closing server waits for clients that do not read
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    415: "UnsupportedMediaType",
    422: "Invalid",
}


class ApiServer:
    """Serves a store until the `async with` block ends, at which every watch ends, too.

    Port 0 takes a free one; `url` tells which. `tokens` are the bearer tokens that are let in.
    Raises `OSError` where the address cannot be had.
    """

    def __init__(
        self,
        store: Store,
        *,
        host: str,
        port: int,
        tokens: Collection[str],
        bookmark_interval_s: float = 60.0,
    ) -> None:
        self._address = (host, port)
        self._api = Api(store, bookmark_interval_s)
        self._app = Starlette(
            routes=self._api.routes(),
            middleware=[Middleware(AuthenticationMiddleware, backend=_BearerTokens(tokens), on_error=_unauthenticated)],
            exception_handlers={StoreError: _refused, HTTPException: _failed},
        )

    async def __aenter__(self) -> Self:
        listener = _listener(self._address)
        host, port = listener.getsockname()
        self.url = f"http://{host}:{port}"
        self._server = _Server(self._app, on_shutdown=self._api.end_watches)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="api-server")
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        await self._serving


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

    def __init__(self, app: Starlette, on_shutdown: Callable[[], None]) -> None:
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
            )
        )
        self.servers = []
        self._on_shutdown = on_shutdown

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            # Nothing is left here, unless this task was cancelled before it had shut down.
            for server in self.servers:
                server.close()
            self._abort_connections()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_shutdown()
        aborting = asyncio.get_running_loop().call_later(_UNREAD_RESPONSE_S, self._abort_connections)
        try:
            await super().shutdown(sockets)
        finally:
            aborting.cancel()

    def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _BearerTokens(AuthenticationBackend):
    def __init__(self, tokens: Collection[str]) -> None:
        self._tokens = frozenset(tokens)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        if conn.url.path in _OPEN_PATHS:
            return None
        scheme, _space, token = conn.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token.strip() not in self._tokens:
            raise AuthenticationError("Unauthorized")
        return AuthCredentials(), SimpleUser("lab")


def _unauthenticated(_conn: HTTPConnection, error: AuthenticationError) -> Response:
    return JSONResponse(status(401, _REASONS[401], str(error)), 401)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreError)
    return JSONResponse(refusal(error), error.code)


async def _failed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = _REASONS.get(error.status_code, "")
    return JSONResponse(status(error.status_code, reason, error.detail), error.status_code)
