"""A DNS server that answers as a test says, over UDP and TCP on one port of loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, cast

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL_S = 0


class Asked(NamedTuple):
    """A question as it came."""

    name: str
    kind: str
    transport: str
    payload: int


class DnsStandIn:
    """Records by name and kind, as `("orders.", "A"): ["10.0.0.1"]`; a name without any does not exist.

    rcode     answer with this alone
    silent    answer nothing
    beside    what an SRV answer has of its targets: whether it has their addresses
    small     UDP has no room: the answer is truncated
    ttl_s     of all records, and of what there is not
    aliases   names that lead to others, each with its TTL
    """

    def __init__(self, records: dict[tuple[str, str], list[str]] | None = None) -> None:
        self.records = records or {}
        self.rcode: str | None = None
        self.silent: set[str] = set()
        self.beside = True
        self.small = False
        self.ttl_s = TTL_S
        self.aliases: dict[str, tuple[int, str]] = {}
        self.asked: list[Asked] = []
        self.address = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[DnsStandIn]:
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), ("127.0.0.1", 0))
            stack.callback(transport.close)
            port = transport.get_extra_info("sockname")[1]
            server = await asyncio.start_server(self._stream, "127.0.0.1", port)
            await stack.enter_async_context(server)
            self.address = f"127.0.0.1:{port}"
            yield self

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        (question,) = query.question
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(Asked(name, kind, transport, query.payload))
        if kind in self.silent:
            return None
        response = dns.message.make_response(query)
        if self.rcode:
            response.set_rcode(dns.rcode.from_text(self.rcode))
        elif self.small and transport == "udp":
            response.flags |= dns.flags.TC
        else:
            self._fill(response, name, kind)
        return response.to_wire(max_size=65535)

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        if name in self.aliases:
            ttl_s, target = self.aliases[name]
            response.answer.append(dns.rrset.from_text(name, ttl_s, "IN", "CNAME", target))
            name = target
        found = self.records.get((name, kind))
        if found:
            response.answer.append(dns.rrset.from_text_list(name, self.ttl_s, "IN", kind, found))
        else:
            soa = f"ns. hostmaster. 1 7200 1800 86400 {self.ttl_s}"
            response.authority.append(dns.rrset.from_text(".", self.ttl_s, "IN", "SOA", soa))
            if not any(each == name for each, _ in self.records):
                response.set_rcode(dns.rcode.NXDOMAIN)
        if kind == "SRV" and self.beside:
            for target in dict.fromkeys(text.split()[3] for text in found or ()):
                for each in ("A", "AAAA"):
                    if addresses := self.records.get((target, each)):
                        response.additional.append(dns.rrset.from_text_list(target, self.ttl_s, "IN", each, addresses))

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            size = int.from_bytes(await reader.readexactly(2))
            if response := self.answer(await reader.readexactly(size), "tcp"):
                writer.write(len(response).to_bytes(2) + response)
                await writer.drain()
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsStandIn) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if response := self._server.answer(data, "udp"):
            self._transport.sendto(response, addr)
