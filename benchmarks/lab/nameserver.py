"""The cluster's DNS server: port 53 over UDP and TCP, what it counts, and how it misbehaves on demand."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, cast

import dns.exception
import dns.message
import dns.rcode

from .kinds import Object
from .zone import TTL_S, Records, answer, records

PORT: Final = 53
_DATAGRAM_BYTES: Final = 512  # for a client that does not tell, by EDNS, that it takes more
_STREAM_BYTES: Final = 65535


class Query(NamedTuple):
    """Who asks for what."""

    client: str
    """An address; a pod's own where the pod has bound its socket to it, else the client pod's."""
    name: str
    """As asked for, with the search suffix, without the last dot."""


@dataclass(frozen=True, slots=True)
class _Behaviour:
    rcode: dns.rcode.Rcode | None = None
    silent: bool = False
    delay_s: float = 0.0


class NameServer:
    """Answers from the Services and EndpointSlices that `source` returns, and counts what it is asked.

    `fail_with`, `silence` and `delay` hold for as long as their `with` block lasts, for queries that come meanwhile,
    over UDP and TCP. They can be nested, and used from any thread.
    """

    def __init__(self, source: Callable[[], tuple[Iterable[Object], Iterable[Object]]], ttl_s: int = TTL_S) -> None:
        self._source = source
        self._ttl_s = ttl_s
        self._refreshed = asyncio.Event()
        self._records: Records | None = None
        self._behaviour = _Behaviour()
        self._queries: Counter[Query] = Counter()
        self._streams: set[asyncio.StreamWriter] = set()

    @property
    def queries(self) -> Mapping[Query, int]:
        """How often each query has come so far, whether or not it was answered."""
        return self._queries

    def refresh(self) -> None:
        """To be called whenever the source has changed; the records are made anew when next asked for."""
        self._records = None
        self._refreshed.set()
        self._refreshed = asyncio.Event()

    async def until(self, holds: Callable[[Records], bool]) -> None:
        """Wait until a condition is true of the records, or of what they are made from."""
        while True:
            refreshed = self._refreshed
            if holds(self._known()):
                return
            await refreshed.wait()

    def fail_with(self, rcode: str = "SERVFAIL") -> contextlib.AbstractContextManager[None]:
        """Answer every query with this code alone, for instance SERVFAIL or REFUSED."""
        return self._behaving(rcode=dns.rcode.from_text(rcode))

    def silence(self) -> contextlib.AbstractContextManager[None]:
        """Answer nothing; a connection stays open."""
        return self._behaving(silent=True)

    def delay(self, seconds: float) -> contextlib.AbstractContextManager[None]:
        """Answer late, with what was true when the query came."""
        return self._behaving(delay_s=seconds)

    @contextlib.contextmanager
    def _behaving(self, **changes: Any) -> Iterator[None]:
        before = self._behaviour
        self._behaviour = replace(before, **changes)
        try:
            yield
        finally:
            self._behaviour = before

    @contextlib.asynccontextmanager
    async def serving(self, host: str) -> AsyncIterator[None]:
        """Listen on UDP and TCP port 53 of an address; raises OSError if that cannot be had."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (host, PORT))
        try:
            async with await asyncio.start_server(self._serve_stream, host, PORT):
                try:
                    yield
                finally:
                    # Since Python 3.12 a server's end waits for its connections, which a client may keep open.
                    for stream in self._streams:
                        stream.close()
        finally:
            transport.close()

    def respond(self, wire: bytes, client: str, max_size: int) -> tuple[bytes, float] | None:
        """The response to a message, and how many seconds later to send it; None: never.

        Raises DNSException for what is no query at all.
        """
        query = dns.message.from_wire(wire)
        if query.question:
            self._queries[Query(client, query.question[0].name.to_text(omit_final_dot=True))] += 1
        behaviour = self._behaviour
        response = self._answer(query, behaviour.rcode)
        if behaviour.silent:
            return None
        return response.to_wire(max_size=max(max_size, query.payload), prefer_truncation=True), behaviour.delay_s

    def _answer(self, query: dns.message.Message, rcode: dns.rcode.Rcode | None) -> dns.message.Message:
        if rcode is not None:
            response = dns.message.make_response(query)
            response.set_rcode(rcode)
            return response
        return answer(query, self._known())

    def _known(self) -> Records:
        if self._records is None:
            self._records = records(*self._source(), self._ttl_s)
        return self._records

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._streams.add(writer)
        client = writer.get_extra_info("peername")[0]
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                reply = self.respond(await reader.readexactly(size), client, _STREAM_BYTES)
                if reply is not None:
                    response, delay_s = reply
                    await asyncio.sleep(delay_s)
                    writer.write(len(response).to_bytes(2) + response)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, dns.exception.DNSException):
            return  # the client has left, or talks nonsense
        finally:
            self._streams.discard(writer)
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, because in Python 3.11 the selector's transport is no subclass of what it implements.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        with contextlib.suppress(dns.exception.DNSException):
            if (reply := self._server.respond(data, addr[0], _DATAGRAM_BYTES)) is not None:
                response, delay_s = reply
                asyncio.get_running_loop().call_later(delay_s, self._send, response, addr)

    def _send(self, response: bytes, addr: tuple[Any, ...]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(response, addr)
