"""The nftables rules that kube-proxy 1.36 writes for Services, as the text of one nft transaction; pure.

Chains, maps, sets and names are kube-proxy's own (recorded from a real one in tests/data/kubernetes). What differs:

- nft 1.0.6 prints `dnat ip to numgen ...` but reads only `dnat ip addr . port to numgen ...`.
- Pods of every node live in this one kernel, so all are in `hairpin-connections`, where a real node has its own.
- Traffic policies `Local`, external and load balancer addresses have no rules.

The recording has no NodePort; its chain is as in kube-proxy's own tests, with the mark set as the recorded rules do.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from .empty_table import EMPTY_TABLE, TABLE
from .kinds import Key, Object, key_of, labels_of
from .slices import SERVICE_NAME_LABEL

_AFFINITY_S: Final = 10800  # Kubernetes' default
_MASQUERADE: Final = "meta mark set meta mark | 0x4000"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service that has a ClusterIP, with the pod addresses and ports that connections to it go to.

    node_port: the port of the node at which it is reached too.
    affinity_s: how long a client that makes no new connection stays bound to its pod; None: not at all.
    """

    namespace: str
    service: str
    name: str
    protocol: str
    cluster_ip: str
    port: int
    endpoints: tuple[tuple[str, int], ...]
    node_port: int | None = None
    affinity_s: int | None = None

    @property
    def path(self) -> str:
        """What tells it from every other one."""
        return f"{self.namespace}/{self.service}/{self.protocol}/{self.name}"

    @property
    def chain(self) -> str:
        """The chain that picks an endpoint."""
        return f"service-{_hashed(self.path)}"

    @property
    def external_chain(self) -> str:
        """The chain for connections to the node port."""
        return f"external-{_hashed(self.path)}"


def _hashed(name: str) -> str:
    """As kube-proxy names things: eight characters of a hash keep names apart that are cut at 240."""
    digest = base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()
    base = f"{digest[:8]}-{name}"
    return base if len(base) <= 240 else base[:237] + "..."


def service_ports(services: Iterable[Object], slices: Iterable[Object]) -> tuple[ServicePort, ...]:
    """Join Services with their EndpointSlices; headless ones and those of type ExternalName have no rules."""
    by_service: dict[Key, list[Object]] = {}
    for piece in slices:
        if piece.get("addressType") != "IPv6":
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
            node_port=port.get("nodePort") or None,
            affinity_s=_affinity_s(service["spec"]),
        )
        for service in sorted(services, key=key_of)
        if service["spec"].get("clusterIP") not in {None, "", "None"} and service["spec"].get("type") != "ExternalName"
        for port in service["spec"].get("ports") or ()
    )


def _affinity_s(spec: Mapping[str, Any]) -> int | None:
    if spec.get("sessionAffinity") != "ClientIP":
        return None
    client_ip: Mapping[str, int] = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return client_ip.get("timeoutSeconds") or _AFFINITY_S


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

START: Final = REMOVAL + EMPTY_TABLE
"""The transaction that leaves the table of a cluster without Services."""


def script(ports: Sequence[ServicePort], previous: Sequence[ServicePort] = ()) -> str:
    """The transaction that leaves exactly these ports in a table that has the previous ones, for `nft -f -`.

    As in kube-proxy, it touches only what differs. An affinity set remembers its clients for as long as its endpoint
    is there, whatever becomes of others. And connections to other Services find their way: a packet may miss an
    element that is taken out and put back in one transaction, if it comes at that very moment.
    """
    parts, old_parts = _parts(ports), _parts(previous)
    elements, old_elements = _elements(ports), _elements(previous)
    changed = {part: body for part, body in parts.items() if old_parts.get(part) != body}
    rewritten = [(kind, name) for kind, name in changed if kind == "chain" and (kind, name) in old_parts]
    lines = [
        *(
            f"delete element {TABLE} {name} {{ {key} }}"
            for (name, key), value in old_elements.items()
            if elements.get((name, key)) != value
        ),
        *(f"flush {kind} {TABLE} {name}" for kind, name in rewritten),
        *(f"table {TABLE} {{ {kind} {name} {{ {body} }}; }}" for (kind, name), body in changed.items()),
        *(
            f"add element {TABLE} {name} {{ {key}{value} }}"
            for (name, key), value in elements.items()
            if old_elements.get((name, key)) != value
        ),
        *(f"delete {kind} {TABLE} {name}" for kind, name in reversed(old_parts) if (kind, name) not in parts),
    ]
    return "\n".join(lines) + "\n"


def _parts(ports: Iterable[ServicePort]) -> dict[tuple[str, str], str]:
    """The ports' own chains and sets by kind and name, with what is in their blocks; those named by others first."""
    parts: dict[tuple[str, str], str] = {}
    for port in ports:
        if not port.endpoints:
            continue
        if port.affinity_s is None:
            targets = [f"{host} . {number}" for host, number in port.endpoints]
            choice = _any("map", targets)
            parts["chain", port.chain] = f"meta l4proto {port.protocol} dnat ip addr . port to {choice};"
        else:
            parts |= _affinity_parts(port, port.affinity_s)
        if port.node_port:
            parts["chain", port.external_chain] = f"{_MASQUERADE}; goto {port.chain};"
    return parts


def _affinity_parts(port: ServicePort, timeout_s: int) -> dict[tuple[str, str], str]:
    parts = {}
    names = {_hashed(f"{port.path}__{host}/{number}"): f"{host}:{number}" for host, number in port.endpoints}
    for name, target in names.items():
        parts["set", f"affinity-{name}"] = f"type ipv4_addr; flags dynamic, timeout; timeout {timeout_s}s;"
        remember = f"update @affinity-{name} {{ ip saddr }}"
        parts["chain", f"endpoint-{name}"] = f"{remember}; meta l4proto {port.protocol} dnat to {target};"
    known = [f"ip saddr @affinity-{name} goto endpoint-{name};" for name in names]
    others = _any("vmap", [f"goto endpoint-{name}" for name in names])
    parts["chain", port.chain] = f"{' '.join(known)} {others};"
    return parts


def _any(kind: str, values: Sequence[str]) -> str:
    numbered = ", ".join(f"{number} : {value}" for number, value in enumerate(values))
    return f"numgen random mod {len(values)} {kind} {{ {numbered} }}"


def _elements(ports: Iterable[ServicePort]) -> dict[tuple[str, str], str]:
    """What the sets and maps of all ports hold: by set and key, what follows the key."""
    elements = {}
    for port in ports:
        elements["cluster-ips", port.cluster_ip] = ""
        for host, number in port.endpoints:
            # A pod that is sent to itself must see another source address than its own.
            elements["hairpin-connections", f"{host} . {host} . {port.protocol} . {number}"] = ""
        at = f"{port.protocol} . {port.port}"
        rejection = f' comment "{port.namespace}/{port.service}:{port.name}" : goto reject-chain'
        if port.endpoints:
            elements["service-ips", f"{port.cluster_ip} . {at}"] = f" : goto {port.chain}"
        else:
            elements["no-endpoint-services", f"{port.cluster_ip} . {at}"] = rejection
        at_node = f"{port.protocol} . {port.node_port}"
        if port.node_port and port.endpoints:
            elements["service-nodeports", at_node] = f" : goto {port.external_chain}"
        elif port.node_port:
            elements["no-endpoint-nodeports", at_node] = rejection
    return elements
