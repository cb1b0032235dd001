"""An API server that answers as a test says, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes.client import Configuration

from discovery.resolvers._credentials import Access
from discovery.resolvers._list_watch import slices_of

CA = Path(__file__).parents[1] / "data" / "kubernetes" / "ca.crt"
"""Some CA, as every kubeconfig names one. Without it the system's are read, hundreds, for each watch anew."""

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
CHUNKED = OK[:-2] + b"transfer-encoding: chunked\r\n\r\n"
"""As a watch is sent: an end without the empty chunk is a connection that broke."""


def chunk(data: bytes = b"") -> bytes:
    """A piece of what follows `CHUNKED`; the empty one ends it in good order."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def status(code: int, message: str, header: str = "x: y") -> bytes:
    body = json.dumps({"kind": "Status", "code": code, "message": message})
    return f"HTTP/1.1 {code} x\r\nconnection: close\r\n{header}\r\n\r\n{body}".encode()


def item(version: int, *hosts: str, name: str = "echo-1", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "resourceVersion": str(version), **metadata},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [host]} for host in hosts],
        "ports": [{"name": "http", "port": 80}],
    }


def listing(version: int, *items: dict[str, Any], rest: str = "") -> bytes:
    metadata = {"resourceVersion": str(version), "continue": rest}
    return OK + json.dumps({"metadata": metadata, "items": items}).encode()


def event(kind: str, item: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": item}, ensure_ascii=False).encode() + b"\n"


EXPIRED = OK + event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


NOT_STREAMED = status(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
"""How a server without streamed lists answers to who asks for one."""


class StandIn(ABC):
    """Serves while it is needed, and records what it was asked, and when on its loop's clock.

    streams_lists  asked for a streamed list it has one; otherwise it refuses, as older servers do, and records nothing
    """

    streams_lists = False

    def __init__(self) -> None:
        self.queries: list[dict[str, str]] = []
        self.asked_s: list[float] = []
        self.headers: list[bytes] = []
        self._connected = 0
        self._left = asyncio.Event()

    @abstractmethod
    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; the connection is closed afterwards."""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Configuration]:
        """Yields the configuration of a client."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        configuration.ssl_ca_cert = str(CA)
        configuration.api_key["authorization"] = "Bearer secret"
        async with server:
            yield configuration
            while self._connected:
                self._left.clear()
                await self._left.wait()

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[Callable[[], Any]]:
        """Yields a function that gives the hosts of the next set."""
        async with (
            self.serving() as configuration,
            contextlib.aclosing(slices_of(Access(configuration, "default"), "shop", "echo")) as sets,
        ):

            async def hosts() -> list[str]:
                return [each.host for each in (await anext(sets)).snapshot("http").endpoints]

            yield hosts

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected += 1
        try:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return  # the client has closed it before it asked
            query = {name: values[0] for name, values in parse_qs(urlsplit(head.split()[1].decode()).query).items()}
            if "sendInitialEvents" in query and not self.streams_lists:
                writer.write(NOT_STREAMED)
                return
            self.headers.append(head)
            self.queries.append(query)
            self.asked_s.append(asyncio.get_running_loop().time())
            await self.answer(query, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._connected -= 1
            self._left.set()


class Script(StandIn):
    """Gives its answers in order, one per request; then it is `over`, and each answer an open stream without events.

    answers  each as a whole, or in pieces with pauses in seconds between them
    """

    def __init__(self, *answers: bytes | tuple[bytes | float, ...], streams_lists: bool = False) -> None:
        super().__init__()
        self.streams_lists = streams_lists
        self.over = asyncio.Event()
        self._answers = list(answers)

    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._answers:
            answer = self._answers.pop(0)
            for piece in (answer,) if isinstance(answer, bytes) else answer:
                if isinstance(piece, bytes):
                    writer.write(piece)
                    await writer.drain()
                else:
                    await asyncio.sleep(piece)
        else:
            self.over.set()
            writer.write(OK)
            await reader.read()
