"""The cluster's DNS server, on dnspython: Services and headless Services under `cluster.local`.

What is answered follows the specification of DNS-based service discovery in Kubernetes, version 1.1.0. A query
for a name outside the cluster is refused, because there is no way out of the lab's network.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from .kinds import Key, Object, key_of, labels_of
from .slices import SERVICE_NAME_LABEL

PORT: Final = 53
_TTL_S: Final = 30  # as kubeadm configures CoreDNS
_ZONE: Final = dns.name.from_text("cluster.local.")
_SOA: Final = dns.rrset.from_text(
    _ZONE, _TTL_S, "IN", "SOA", f"ns.dns.{_ZONE} hostmaster.{_ZONE} 1 7200 1800 86400 {_TTL_S}"
)

Records = Mapping[dns.name.Name, Mapping[dns.rdatatype.RdataType, dns.rrset.RRset]]


class NameServer:
    """Answers from the Services and EndpointSlices that `source` returns, and counts what it answers."""

    def __init__(self, source: Callable[[], tuple[Iterable[Object], Iterable[Object]]]) -> None:
        self._source = source
        self._records: Records | None = None
        self._queries: Counter[str] = Counter()
        self._streams: set[asyncio.StreamWriter] = set()

    @property
    def queries(self) -> Mapping[str, int]:
        """How many queries for each name have been answered so far."""
        return self._queries

    def refresh(self) -> None:
        """To be called whenever the source has changed; the records are made anew when next asked for."""
        self._records = None

    @contextlib.asynccontextmanager
    async def serving(self, host: str) -> AsyncIterator[None]:
        """Listen on UDP and TCP port 53 of an address; raises OSError if that cannot be had."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._respond), (host, PORT))
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

    def _respond(self, wire: bytes, max_size: int) -> bytes | None:
        """None for what is no query at all."""
        try:
            query = dns.message.from_wire(wire)
            response = self._answer(query)
        except dns.exception.DNSException:
            return None
        return response.to_wire(max_size=max(max_size, query.payload), prefer_truncation=True)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        if self._records is None:
            self._records = records(*self._source())
        response = answer(query, self._records)
        if query.question:
            self._queries[query.question[0].name.to_text(omit_final_dot=True)] += 1
        return response

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._streams.add(writer)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                response = self._respond(await reader.readexactly(size), 65535)
                if response is None:
                    return
                writer.write(len(response).to_bytes(2) + response)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client has left
        finally:
            self._streams.discard(writer)
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, respond: Callable[[bytes, int], bytes | None]) -> None:
        self._respond = respond
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, because in Python 3.11 the selector's transport is no subclass of what it implements.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        response = self._respond(data, 512)
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)


def answer(query: dns.message.Message, known: Records) -> dns.message.Message:
    """The response to a query; raises DNSException for a message that is none."""
    response = dns.message.make_response(query)
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
        return response
    question = query.question[0]
    if not question.name.is_subdomain(_ZONE) or question.rdclass != dns.rdataclass.IN:
        response.set_rcode(dns.rcode.REFUSED)
        return response
    response.flags |= dns.flags.AA
    found = known.get(question.name)
    if found is not None and question.rdtype in found:
        response.answer = [found[question.rdtype]]
        return response
    if found is None:
        response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority = [_SOA]
    return response


def records(services: Iterable[Object], slices: Iterable[Object]) -> Records:
    """Every name of the zone with its records; a name that only has others below it has none of its own."""
    by_service: dict[Key, list[Object]] = {}
    for piece in slices:
        owner = piece["metadata"]["namespace"], labels_of(piece).get(SERVICE_NAME_LABEL, "")
        by_service.setdefault(owner, []).append(piece)
    zone = _Zone()
    for service in services:
        namespace, name = key_of(service)
        origin = dns.name.from_text(f"{name}.{namespace}.svc", _ZONE)
        if service["spec"].get("clusterIP") == "None":
            _add_headless(zone, origin, by_service.get((namespace, name), ()))
        elif service["spec"].get("clusterIP"):
            zone.add(origin, "A", service["spec"]["clusterIP"])
            for port in service["spec"].get("ports") or ():
                zone.add_port(origin, port, 100, origin)
    return zone.names


def _add_headless(zone: _Zone, origin: dns.name.Name, slices: Sequence[Object]) -> None:
    """The ready endpoints' addresses, and for SRV a name for each: its hostname or its address with dashes."""
    ready = [
        (piece, endpoint)
        for piece in slices
        for endpoint in piece["endpoints"] or ()
        if (endpoint.get("conditions") or {}).get("ready", True)
    ]
    weight = max(1, 100 // max(1, len(ready)))
    for piece, endpoint in ready:
        address = endpoint["addresses"][0]
        host = dns.name.from_text(endpoint.get("hostname") or address.replace(".", "-"), origin)
        zone.add(origin, "A", address)
        zone.add(host, "A", address)
        for port in piece["ports"] or ():
            zone.add_port(origin, port, weight, host)


class _Zone:
    def __init__(self) -> None:
        self.names: dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rrset.RRset]] = {_ZONE: {}}
        self.add(_ZONE, "SOA", _SOA[0].to_text())

    def add(self, name: dns.name.Name, kind: str, text: str) -> None:
        parent = name
        while parent not in self.names:
            self.names[parent] = {}
            parent = parent.parent()
        record = dns.rdata.from_text("IN", kind, text)
        found = self.names[name].setdefault(record.rdtype, dns.rrset.RRset(name, record.rdclass, record.rdtype))
        found.add(record, _TTL_S)

    def add_port(self, origin: dns.name.Name, port: Mapping[str, Any], weight: int, target: dns.name.Name) -> None:
        """Only a named port has a SRV record."""
        if port.get("name"):
            service = dns.name.from_text(f"_{port['name']}._{port.get('protocol', 'TCP').lower()}", origin)
            self.add(service, "SRV", f"0 {weight} {port['port']} {target}")
