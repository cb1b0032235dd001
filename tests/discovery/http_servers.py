"""Real HTTP/1.1 servers, and one way to drive both kinds of client."""

from __future__ import annotations

import collections
import contextlib
import http.server
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

import httpx

from discovery import Endpoint
from discovery.http import AsyncTransport, Transport


class Server(http.server.ThreadingHTTPServer):
    """Answers with its name, or as the path says; counts connections and requests.

    health  what `/healthz` answers: a status, or nothing until the caller gives up; not among the requests
    """

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.connections = 0
        self.requests: list[dict[str, Any]] = []
        self.go_on = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.closed_connections = threading.Semaphore(0)
        self.health: Callable[[], int | None] = lambda: 200
        self.checks: list[dict[str, str]] = []
        self.checked = threading.Semaphore(0)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.server_port, self.name)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.closed_connections.release()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.go_on.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer_check()
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        seen = {"path": self.path, "host": self.headers["host"], "body": body.decode()}
        self.server.requests.append(seen)
        if self.path.startswith("/redirect/"):
            self.send_response(302)
            self.send_header("location", self.path.removeprefix("/redirect/"))
            self.send_header("content-length", "0")
            self.end_headers()
            return
        answer = json.dumps({"pod": self.server.name, **seen}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.path == "/slow":
            self.wfile.write(answer[:1])
            self.wfile.flush()
            self.server.waiting.release()
            self.server.go_on.wait()
            answer = answer[1:]
        with contextlib.suppress(ConnectionError):
            self.wfile.write(answer)

    def _answer_check(self) -> None:
        self.server.checks.append({name.lower(): value for name, value in self.headers.items()})
        self.server.checked.release()
        if (status := self.server.health()) is None:
            self.rfile.read(1)
        else:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

    do_POST = do_GET  # noqa: N815 - the library's name for it

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's name for it
        """Not into the test's output."""


@contextlib.contextmanager
def servers(count: int) -> Iterator[tuple[Server, ...]]:
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(Server(f"pod-{number}")) for number in range(count))


class Client:
    """An httpx client of either kind behind one asyncio face, so that each test is written once."""

    def __init__(
        self, kind: str, *, base_url: str = "http://orders.shop", timeout: float = 30.0, **options: Any
    ) -> None:
        self._sync: httpx.Client | None = None
        transport: Transport | AsyncTransport
        if kind == "sync":
            transport = Transport(**options)
            self._sync = httpx.Client(transport=transport, base_url=base_url, timeout=timeout)
        else:
            transport = AsyncTransport(**options)
            self._async = httpx.AsyncClient(transport=transport, base_url=base_url, timeout=timeout)
        self.balancer = transport._balancer

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        if self._sync is not None:
            return self._sync.request(method, path, **options)
        return await self._async.request(method, path, **options)

    async def get(self, path: str = "/", **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def pods(self, count: int) -> collections.Counter[str]:
        """Which servers answered so many requests."""
        return collections.Counter([(await self.get()).json()["pod"] for _ in range(count)])

    @contextlib.asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[httpx.Response]:
        if self._sync is not None:
            with self._sync.stream("GET", path) as response:
                yield response
        else:
            async with self._async.stream("GET", path) as response:
                yield response

    async def read(self, response: httpx.Response) -> bytes:
        return response.read() if self._sync is not None else await response.aread()

    def in_flight(self) -> int:
        return sum(each.in_flight for each in self.balancer.snapshot().endpoints)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._sync is not None:
            self._sync.close()
        else:
            await self._async.aclose()
