"""The nftables rules that kube-proxy 1.36 writes for Services, as the text of one nft transaction; pure.

Chains, maps, sets and names are kube-proxy's own (recorded from a real one in tests/data/kubernetes). What differs:

- nft 1.0.6 prints `dnat ip to numgen ...` but reads only `dnat ip addr . port to numgen ...`, and it takes the
  priority of a nat hook on output only as a number.
- Pods of every node live in this one kernel, so all are in `hairpin-connections`, where a real node has its own.
- NodePorts and ClientIP affinity are not written yet: their maps are there, and empty.

Address ranges are the recorded cluster's; the lab's network keeps within them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from .kinds import Key, Object, key_of, labels_of
from .slices import SERVICE_NAME_LABEL

TABLE: Final = "ip kube-proxy"

_SKELETON: Final = f"""\
add table {TABLE}
flush table {TABLE}
table {TABLE} {{
    comment "rules for kube-proxy"

    set hairpin-connections {{
        type ipv4_addr . ipv4_addr . inet_proto . inet_service
        comment "service hairpin connections"
    }}
    set cluster-ips {{
        type ipv4_addr
        comment "Active ClusterIPs"
    }}
    set nodeport-ips {{
        type ipv4_addr
        comment "IPs that accept NodePort traffic"
        elements = {{ 10.250.0.2 }}
    }}
    map no-endpoint-services {{
        type ipv4_addr . inet_proto . inet_service : verdict
        comment "vmap to drop or reject packets to services with no endpoints"
    }}
    map no-endpoint-nodeports {{
        type inet_proto . inet_service : verdict
        comment "vmap to drop or reject packets to service nodeports with no endpoints"
    }}
    map firewall-ips {{
        type ipv4_addr . inet_proto . inet_service : verdict
        comment "destinations that are subject to LoadBalancerSourceRanges"
    }}
    map service-ips {{
        type ipv4_addr . inet_proto . inet_service : verdict
        comment "ClusterIP, ExternalIP and LoadBalancer IP traffic"
    }}
    map service-nodeports {{
        type inet_proto . inet_service : verdict
        comment "NodePort traffic"
    }}

    chain nodeport-endpoints-check {{
        ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
    }}
    chain service-endpoints-check {{
        ip daddr . meta l4proto . th dport vmap @no-endpoint-services
    }}
    chain firewall-check {{
        ip daddr . meta l4proto . th dport vmap @firewall-ips
    }}
    chain services {{
        ip daddr @cluster-ips ip saddr != 10.64.0.0/10 meta mark set meta mark | 0x4000 \
comment "masquerade clusterIP traffic from outside cluster"
        ip daddr . meta l4proto . th dport vmap @service-ips
        ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
    }}
    chain masquerading {{
        meta mark & 0x4000 != 0 meta mark set meta mark ^ 0x4000 masquerade fully-random
        ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random
    }}
    chain cluster-ips-check {{
        ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
        ip daddr 10.96.0.0/16 drop comment "Drop traffic to unallocated ClusterIPs"
    }}
    chain reject-chain {{
        comment "helper for @no-endpoint-services / @no-endpoint-nodeports"
        reject
    }}

    chain filter-prerouting-pre-dnat {{
        type filter hook prerouting priority -110; policy accept;
        ct state new jump firewall-check
    }}
    chain filter-output-pre-dnat {{
        type filter hook output priority -110; policy accept;
        ct state new jump firewall-check
    }}
    chain filter-input {{
        type filter hook input priority 0; policy accept;
        ct state new jump nodeport-endpoints-check
        ct state new jump service-endpoints-check
    }}
    chain filter-forward {{
        type filter hook forward priority 0; policy accept;
        ct state new jump service-endpoints-check
        ct state new jump cluster-ips-check
    }}
    chain filter-output {{
        type filter hook output priority 0; policy accept;
        ct state new jump service-endpoints-check
        ct state new jump cluster-ips-check
    }}
    chain nat-prerouting {{
        type nat hook prerouting priority -100; policy accept;
        jump services
    }}
    chain nat-output {{
        type nat hook output priority -100; policy accept;
        jump services
    }}
    chain nat-postrouting {{
        type nat hook postrouting priority 100; policy accept;
        jump masquerading
    }}
}}
flush set {TABLE} hairpin-connections
flush set {TABLE} cluster-ips
flush map {TABLE} no-endpoint-services
flush map {TABLE} service-ips
"""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service that has a ClusterIP, with the pod addresses and ports that connections to it go to."""

    namespace: str
    service: str
    name: str
    protocol: str
    cluster_ip: str
    port: int
    endpoints: tuple[tuple[str, int], ...]

    @property
    def chain(self) -> str:
        """As kube-proxy names it: eight characters of a hash keep names apart that are cut at 240."""
        name = f"{self.namespace}/{self.service}/{self.protocol}/{self.name}"
        digest = base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()
        base = f"{digest[:8]}-{name}"
        return "service-" + (base if len(base) <= 240 else base[:237] + "...")

    @property
    def key(self) -> str:
        """What a packet is looked up by in the maps."""
        return f"{self.cluster_ip} . {self.protocol} . {self.port}"


def service_ports(services: Iterable[Object], slices: Iterable[Object]) -> tuple[ServicePort, ...]:
    """Join Services with their EndpointSlices; headless Services have no rules."""
    by_service: dict[Key, list[Object]] = {}
    for piece in slices:
        owner = piece["metadata"]["namespace"], labels_of(piece).get(SERVICE_NAME_LABEL, "")
        by_service.setdefault(owner, []).append(piece)
    return tuple(
        ServicePort(
            namespace=key_of(service)[0],
            service=key_of(service)[1],
            name=port.get("name") or "",
            protocol=port.get("protocol", "TCP").lower(),
            cluster_ip=service["spec"]["clusterIP"],
            port=port["port"],
            endpoints=_endpoints(port, by_service.get(key_of(service), ())),
        )
        for service in sorted(services, key=key_of)
        if service["spec"].get("clusterIP") not in {None, "", "None"}
        for port in service["spec"].get("ports") or ()
    )


def _endpoints(port: Mapping[str, Any], slices: Iterable[Object]) -> tuple[tuple[str, int], ...]:
    """The ready ones; where there is none, those that still serve while they terminate (KEP-1669)."""
    ready: set[tuple[str, int]] = set()
    leaving: set[tuple[str, int]] = set()
    for piece in slices:
        for found in _numbers(port, piece):
            for endpoint in piece["endpoints"] or ():
                target = endpoint["addresses"][0], found
                conditions = endpoint.get("conditions") or {}
                if conditions.get("ready", True):
                    ready.add(target)
                elif conditions.get("serving") and conditions.get("terminating"):
                    leaving.add(target)
    return tuple(sorted(ready or leaving, key=lambda target: (IPv4Address(target[0]), target[1])))


def _numbers(port: Mapping[str, Any], piece: Object) -> Iterator[int]:
    """The pods' numbers of a Service's port: a slice has it under the same name and protocol."""
    wanted = port.get("name") or "", port.get("protocol", "TCP")
    for candidate in piece["ports"] or ():
        if (candidate.get("name") or "", candidate.get("protocol", "TCP")) == wanted:
            yield candidate["port"]


REMOVAL: Final = f"add table {TABLE}\ndelete table {TABLE}\n"
"""The transaction that leaves no table, whether or not there is one."""


def script(ports: Sequence[ServicePort], previous: Sequence[ServicePort] = ()) -> str:
    """The transaction that leaves exactly these ports in the table, for `nft -f -`.

    `previous` are the ports that the table has now. The table is rewritten in place, not made anew, because the
    kernel's own entries, such as an affinity set's, must outlive a change of endpoints.
    """
    kept = {port.chain for port in ports if port.endpoints}
    stale = {port.chain for port in previous if port.endpoints} - kept
    lines = [
        _SKELETON,
        *(_chain(port) for port in ports if port.endpoints),
        *_elements("hairpin-connections", sorted({pair for port in ports for pair in _hairpins(port)})),
        *_elements("cluster-ips", sorted({port.cluster_ip for port in ports})),
        *_elements("service-ips", [f"{port.key} : goto {port.chain}" for port in ports if port.endpoints]),
        *_elements("no-endpoint-services", [_rejection(port) for port in ports if not port.endpoints]),
        *(f"delete chain {TABLE} {chain}" for chain in sorted(stale)),
    ]
    return "\n".join(lines) + "\n"


def _chain(port: ServicePort) -> str:
    count = len(port.endpoints)
    targets = ", ".join(f"{index} : {host} . {number}" for index, (host, number) in enumerate(port.endpoints))
    choice = f"numgen random mod {count} map {{ {targets} }}"
    rule = f"meta l4proto {port.protocol} dnat ip addr . port to {choice}"
    return f"table {TABLE} {{ chain {port.chain} {{ {rule}; }}; }}"


def _hairpins(port: ServicePort) -> Iterator[str]:
    """A pod that is sent to itself must see another source address than its own."""
    for host, number in port.endpoints:
        yield f"{host} . {host} . {port.protocol} . {number}"


def _rejection(port: ServicePort) -> str:
    return f'{port.key} comment "{port.namespace}/{port.service}:{port.name}" : goto reject-chain'


def _elements(name: str, elements: Sequence[str]) -> Iterator[str]:
    if elements:
        yield f"add element {TABLE} {name} {{ {', '.join(elements)} }}"
