"""The API server: as little of one as lists and watches of EndpointSlices need, in a process of its own."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, urlsplit

from benchmarks.lab.certificates import Certificates
from benchmarks.watching import bounds
from benchmarks.watching.course import LISTED, Course, Play
from benchmarks.watching.slices import NAMESPACE, bookmark, compact, status

PATH = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
BOOKMARKS_S = 60.0
"""As a real API server has it; of many watches, each at another moment."""

_REASONS = {200: "OK", 404: "Not Found", 422: "Unprocessable Entity"}
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Listening:
    """Requests are answered at this port of 127.0.0.1."""

    port: int


@dataclass(frozen=True, slots=True)
class Played:
    """The last event has been published.

    sent_at  time.monotonic() just before each counted event, by version
    ready    endpoints of each Service after the last event
    """

    sent_at: dict[int, float]
    ready: int


def main(
    course: Course, certificates: Certificates, published: Connection, limit_s: float, messages: Connection
) -> None:
    """Serve for as long as the limit; send Listening, then Played."""
    bounds.end_after(limit_s)
    asyncio.run(_serve(course, certificates, published, messages))


async def _serve(course: Course, certificates: Certificates, published: Connection, messages: Connection) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    client = Client(published)
    api = Api(course, client)
    async with await asyncio.start_server(api.serve, "127.0.0.1", 0, ssl=context) as server:
        messages.send(Listening(server.sockets[0].getsockname()[1]))
        await client.has_published(course.last)
        messages.send(Played(api.sent_at, api.plays[course.names[0]].ready))
        await server.serve_forever()


class Client:
    """What the client says of itself: the newest version whose set it has published."""

    def __init__(self, messages: Connection) -> None:
        self._messages = messages
        self._newest = 0
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(messages.fileno(), self._read)

    async def has_published(self, version: int) -> None:
        """Wait until it has published this version or a newer one."""
        while self._newest < version:
            await self._changed.wait()

    def _read(self) -> None:
        try:
            self._newest = max(self._newest, self._messages.recv())
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._messages.fileno())
        self._changed.set()
        self._changed = asyncio.Event()


class Api:
    """Answers the requests. `sent_at` is when each counted event was written."""

    def __init__(self, course: Course, client: Client) -> None:
        self.plays = {name: course.play(name) for name in course.names}
        self.sent_at: dict[int, float] = {}
        self._course = course
        self._client = client
        self._watches = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client closes it."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head.split()[1].decode(), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, target: str, writer: asyncio.StreamWriter) -> None:
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        play = self.plays.get(query.get("labelSelector", "").removeprefix("kubernetes.io/service-name="))
        if url.path != PATH or play is None:
            _write(writer, 404, compact(status(404, "NotFound", f"there is no {target}")))
        elif "sendInitialEvents" in query:
            message = "sendInitialEvents: Forbidden: the WatchList feature gate is disabled"
            _write(writer, 422, compact(status(422, "Invalid", message)))
        elif query.get("watch", "").lower() == "true":
            await self._watch(play, int(query["resourceVersion"]), writer)
        else:
            _write(writer, 200, play.listed)
        await writer.drain()

    async def _watch(self, play: Play, version: int, writer: asyncio.StreamWriter) -> None:
        self._watches += 1
        first_bookmark_s = BOOKMARKS_S * self._watches / self._course.services
        writer.write(_STREAM)
        for event in play.events[version - LISTED :]:
            if event.version <= LISTED + self._course.alone + 1:
                await self._client.has_published(event.version - 1)
                await asyncio.sleep(event.pause_s)
            if event.counted:
                self.sent_at[event.version] = time.monotonic()
            writer.write(_chunk(event.line))
            await writer.drain()
        await self._client.has_published(self._course.last)
        await asyncio.sleep(first_bookmark_s)
        while not writer.is_closing():
            writer.write(_chunk(compact(bookmark(self._course.last)) + b"\n"))
            await writer.drain()
            await asyncio.sleep(BOOKMARKS_S)


def _write(writer: asyncio.StreamWriter, code: int, body: bytes) -> None:
    head = f"HTTP/1.1 {code} {_REASONS[code]}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


def _chunk(line: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(line), line)
