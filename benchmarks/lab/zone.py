"""What the cluster's DNS knows and answers: Services under `cluster.local`; pure, on dnspython.

It follows the specification of DNS-based service discovery in Kubernetes, version 1.1.0, and CoreDNS where that
leaves a choice. No name exists outside the cluster, as where the resolver that CoreDNS forwards to knows of none; so
what is misspelt does not exist, as in a cluster, and is not taken for a passing failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

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

# kubeadm's, and so that of most clusters, in the file that it writes for CoreDNS; CoreDNS itself would take 5.
TTL_S: Final = 30
_MAX_ALIASES: Final = 8
_ZONE: Final = dns.name.from_text("cluster.local.")
_SOA: Final = dns.rrset.from_text(
    _ZONE, TTL_S, "IN", "SOA", f"ns.dns.{_ZONE} hostmaster.{_ZONE} 1 7200 1800 86400 {TTL_S}"
)

Records = Mapping[dns.name.Name, Mapping[dns.rdatatype.RdataType, dns.rrset.RRset]]


def answer(query: dns.message.Message, known: Records) -> dns.message.Message:
    """The response to a query; raises DNSException for a message that is none."""
    response = dns.message.make_response(query)
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
        return response
    question = query.question[0]
    if question.rdclass != dns.rdataclass.IN:
        response.set_rcode(dns.rcode.REFUSED)
        return response
    if not question.name.is_subdomain(_ZONE):
        response.set_rcode(dns.rcode.NXDOMAIN)
        return response
    response.flags |= dns.flags.AA
    name = question.name
    for _ in range(_MAX_ALIASES):
        found = known.get(name, {})
        if question.rdtype in found:
            response.answer.append(found[question.rdtype])
            response.additional = _targets(found[question.rdtype], known)
            return response
        if dns.rdatatype.CNAME not in found:
            break
        response.answer.append(found[dns.rdatatype.CNAME])
        name = found[dns.rdatatype.CNAME][0].target
    if name.is_subdomain(_ZONE):  # else only the outside knows whether there is such a name
        response.authority = [_SOA]
        if name not in known:
            response.set_rcode(dns.rcode.NXDOMAIN)
    return response


def _targets(found: dns.rrset.RRset, known: Records) -> list[dns.rrset.RRset]:
    """The addresses of the names in SRV records, which spare the client a query for each."""
    if found.rdtype != dns.rdatatype.SRV:
        return []
    names = dict.fromkeys(record.target for record in found)
    kinds = dns.rdatatype.A, dns.rdatatype.AAAA
    return [known[name][kind] for name in names for kind in kinds if kind in known.get(name, {})]


def records(services: Iterable[Object], slices: Iterable[Object], ttl_s: int = TTL_S) -> Records:
    """Every name of the zone with its records; a name that only has others below it has none of its own."""
    by_service: dict[Key, list[Object]] = {}
    for piece in slices:
        owner = piece["metadata"]["namespace"], labels_of(piece).get(SERVICE_NAME_LABEL, "")
        by_service.setdefault(owner, []).append(piece)
    zone = _Zone(ttl_s)
    for service in services:
        namespace, name = key_of(service)
        origin = dns.name.from_text(f"{name}.{namespace}.svc", _ZONE)
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            zone.add(origin, "CNAME", dns.name.from_text(spec["externalName"]).to_text())
        elif spec.get("clusterIP") == "None":
            _add_headless(zone, origin, by_service.get((namespace, name), ()))
        elif spec.get("clusterIP"):
            for address in spec.get("clusterIPs") or [spec["clusterIP"]]:
                zone.add_address(origin, address)
            for port in spec.get("ports") or ():
                zone.add_port(origin, port, 100, origin)
    return zone.names


def knows(known: Records, name: str, hosts: Set[str]) -> bool:
    """Whether there is a name, with these IPv4 addresses among its own."""
    found = known.get(dns.name.from_text(name), {})
    return bool(found) and hosts <= {record.address for record in found.get(dns.rdatatype.A, ())}


def _add_headless(zone: _Zone, origin: dns.name.Name, slices: Sequence[Object]) -> None:
    """The ready endpoints' addresses, and for SRV a name for each: its hostname or its address with dashes.

    Where none is ready, not even the Service's name exists, in CoreDNS as here.
    """
    ready = [
        (piece, endpoint)
        for piece in slices
        for endpoint in piece["endpoints"] or ()
        if (endpoint.get("conditions") or {}).get("ready", True)
    ]
    weight = max(1, 100 // max(1, len(ready)))
    for piece, endpoint in ready:
        address = endpoint["addresses"][0]
        label = endpoint.get("hostname") or address.replace(".", "-").replace(":", "-")
        host = dns.name.from_text(label, origin)
        zone.add_address(origin, address)
        zone.add_address(host, address)
        for port in piece["ports"] or ():
            zone.add_port(origin, port, weight, host)


class _Zone:
    def __init__(self, ttl_s: int) -> None:
        self._ttl_s = ttl_s
        self.names: dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rrset.RRset]] = {_ZONE: {}}
        self.add(_ZONE, "SOA", _SOA[0].to_text())

    def add(self, name: dns.name.Name, kind: str, text: str) -> None:
        parent = name
        while parent not in self.names:
            self.names[parent] = {}
            parent = parent.parent()
        record = dns.rdata.from_text("IN", kind, text)
        found = self.names[name].setdefault(record.rdtype, dns.rrset.RRset(name, record.rdclass, record.rdtype))
        found.add(record, self._ttl_s)

    def add_address(self, name: dns.name.Name, address: str) -> None:
        self.add(name, "AAAA" if ":" in address else "A", address)

    def add_port(self, origin: dns.name.Name, port: Mapping[str, Any], weight: int, target: dns.name.Name) -> None:
        """Only a named port has a SRV record."""
        if port.get("name"):
            service = dns.name.from_text(f"_{port['name']}._{port.get('protocol', 'TCP').lower()}", origin)
            self.add(service, "SRV", f"0 {weight} {port['port']} {target}")
