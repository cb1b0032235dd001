"""Real HTTP/1.1 servers, and one way to drive both kinds of client."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import functools
import http.server
import json
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Self

import httpx

from discovery import Endpoint
from discovery.http import AsyncTransport, Transport


class Server(http.server.ThreadingHTTPServer):
    """Answers with its name, or as the path says; counts connections and requests.

    behave  what to do with a request in place of that, for as long as it is set
    health  what `/healthz` answers: a status, or nothing until the caller gives up; not among the requests
    go_on   what waits for the test: a response to `/slow` after its first byte, one to `/hang` before its head
    """

    daemon_threads = True

    def __init__(self, name: str, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, 0), Handler)
        self.name = name
        self.tls = tls
        self.connections = 0
        self.requests: list[dict[str, Any]] = []
        self.health: Callable[[], int | None] = lambda: 200
        self.checks: list[dict[str, str]] = []
        self.checked = threading.Semaphore(0)
        self.behave: Callable[[Handler], None] | None = None
        self.go_on = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.closed_connections = threading.Semaphore(0)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.server_address[0], self.server_port, self.name)  # type: ignore[arg-type]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        if self.tls is not None:
            request.close()

    def shutdown_request(self, request: Any) -> None:
        if request.fileno() != -1 and request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER):
            request.close()  # without the FIN that a shutdown sends
        else:
            super().shutdown_request(request)
        self.closed_connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are no news."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.go_on.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection; what a server's `behave` is given with each request."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    seen: dict[str, Any]

    def do_GET(self) -> None:
        server = self.server
        if self.path == "/healthz":
            self._answer_check()
            return
        self.seen = {"path": self.path, "host": self.headers["host"], "body": self._body().decode()}
        server.requests.append(self.seen)
        if server.behave is not None:
            server.behave(self)
        elif self.path.startswith("/redirect/"):
            self.answer(302, {"location": self.path.removeprefix("/redirect/")})
        elif self.path == "/slow":
            text = self._text()
            self.answer(200, {"content-length": str(len(text))}, text[:1])
            self.wait()
            self.write(text[1:])
        else:
            if self.path == "/hang":
                self.wait()
            self.answer()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = do_GET  # noqa: N815 - the library's names for it

    def _answer_check(self) -> None:
        self.server.checks.append({name.lower(): value for name, value in self.headers.items()})
        self.server.checked.release()
        if (status := self.server.health()) is None:
            self.rfile.read(1)
        else:
            self.answer(status, body=b"")

    def answer(self, status: int = 200, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> None:
        """Send a response; its body is who answers to what, if it is not given."""
        if body is None:
            body = self._text()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.write(body if self.command != "HEAD" else b"")

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    def wait(self) -> None:
        """Until the test says to go on."""
        self.server.waiting.release()
        self.server.go_on.wait()

    def reset(self) -> None:
        """Have the connection reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def hang_up(self) -> None:
        """Close the connection."""
        self.close_connection = True

    def _text(self) -> bytes:
        return json.dumps({"pod": self.server.name, **self.seen}).encode()

    def _body(self) -> bytes:
        if self.headers["transfer-encoding"] != "chunked":
            return self.rfile.read(int(self.headers["content-length"] or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's name for it
        """Not into the test's output."""


@contextlib.contextmanager
def servers(count: int, **options: Any) -> Iterator[tuple[Server, ...]]:
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(Server(f"pod-{number}", **options)) for number in range(count))


def listed(pods: tuple[Server, ...]) -> str:
    """The target of these and no others."""
    return "static:///" + ",".join(pod.endpoint.address for pod in pods)


class Client:
    """An httpx client of either kind behind one asyncio face, so that each test is written once.

    client  options of the client itself; all others are the transport's
    """

    def __init__(
        self,
        kind: str,
        *,
        base_url: str = "http://orders.shop",
        timeout: float | httpx.Timeout | None = 30.0,
        client: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self._sync: httpx.Client | None = None
        transport: Transport | AsyncTransport
        given: dict[str, Any] = {"base_url": base_url, "timeout": timeout, **(client or {})}
        if kind == "sync":
            transport = Transport(**options)
            self._sync = httpx.Client(transport=transport, **given)
        else:
            transport = AsyncTransport(**options)
            self._async = httpx.AsyncClient(transport=transport, **given)
        self.balancer = transport._balancer
        self._threads = concurrent.futures.ThreadPoolExecutor(100)

    async def resolved(self) -> None:
        """Wait until the target is."""
        (await self.balancer.pick_async()).retract()

    @property
    def inner(self) -> httpx.Client | httpx.AsyncClient:
        return self._sync or self._async

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        if self._sync is not None:
            return self._sync.request(method, path, **options)
        return await self._async.request(method, path, **options)

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        if self._sync is not None:
            return self._sync.send(request, **options)
        return await self._async.send(request, **options)

    async def get(self, path: str = "/", **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def pods(self, count: int) -> collections.Counter[str]:
        """Which servers answered so many requests."""
        return collections.Counter([(await self.get()).json()["pod"] for _ in range(count)])

    def aside(self, method: str, path: str, **options: Any) -> asyncio.Future[httpx.Response]:
        """A request that goes on while the test does."""
        if (client := self._sync) is not None:
            request = functools.partial(client.request, method, path, **options)
            return asyncio.get_running_loop().run_in_executor(self._threads, request)
        return asyncio.ensure_future(self._async.request(method, path, **options))

    @contextlib.asynccontextmanager
    async def stream(self, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        if self._sync is not None:
            with self._sync.stream("GET", path, **options) as response:
                yield response
        else:
            async with self._async.stream("GET", path, **options) as response:
                yield response

    async def read(self, response: httpx.Response) -> bytes:
        return response.read() if self._sync is not None else await response.aread()

    async def parts(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body as it comes."""
        if self._sync is not None:
            for part in response.iter_bytes():
                yield part
        else:
            async for part in response.aiter_bytes():
                yield part

    def in_flight(self) -> int:
        return sum(each.in_flight for each in self.balancer.snapshot().endpoints)

    def failures(self) -> dict[str, int]:
        """Failed requests by server, of those that have any."""
        return {each.endpoint.address: each.failures for each in self.balancer.snapshot().endpoints if each.failures}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._sync is not None:
            self._sync.close()
        else:
            await self._async.aclose()
        self._threads.shutdown()
