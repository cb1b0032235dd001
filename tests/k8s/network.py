"""NetworkPolicies as a network plug-in reads them: what they let a pod send, and take.

https://kubernetes.io/docs/concepts/services-networking/network-policies/ - a pod that no policy selects is open; else
it may do what any of those that select it allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from .built import Object, of_kind, selects

OURS = "discovery-demo"


@dataclass(frozen=True)
class Peer:
    """The other side: a pod by its labels and namespace, or, without labels, an address."""

    address: str = "192.0.2.1"
    labels: Mapping[str, str] | None = None
    namespace: str = OURS


def allowed(
    objects: Iterable[Object], pod: Object, direction: str, peer: Peer, number: int, protocol: str = "TCP"
) -> bool:
    """Whether the policies let a pod's template have this traffic; `direction` is Ingress or Egress.

    Ports by name are those of `pod`: of whoever takes the traffic, that is, in what comes in.
    """
    policies = [
        policy["spec"]
        for policy in of_kind(objects, "NetworkPolicy").values()
        if direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], pod["metadata"]["labels"])
    ]
    rules = (rule for policy in policies for rule in policy.get(direction.lower(), ()))
    side = {"Ingress": "from", "Egress": "to"}[direction]
    return not policies or any(
        _any(rule.get("ports"), lambda port: _is_port(port, pod, number, protocol))
        and _any(rule.get(side), lambda each: _is_peer(each, peer))
        for rule in rules
    )


def _any(parts: list[Any] | None, matches: Any) -> bool:
    """A list that is absent or empty stands for all."""
    return not parts or any(map(matches, parts))


def _is_port(port: Mapping[str, Any], pod: Object, number: int, protocol: str) -> bool:
    named = {each["name"]: each["containerPort"] for c in pod["spec"]["containers"] for each in c.get("ports", ())}
    return bool(port.get("protocol", "TCP") == protocol and named.get(port["port"], port["port"]) == number)


def _is_peer(each: Mapping[str, Any], peer: Peer) -> bool:
    if block := each.get("ipBlock"):
        inside = ip_address(peer.address) in ip_network(block["cidr"])
        return inside and not any(ip_address(peer.address) in ip_network(out) for out in block.get("except", ()))
    if peer.labels is None:
        return False
    if (namespaces := each.get("namespaceSelector")) is not None:
        if not selects(namespaces, {"kubernetes.io/metadata.name": peer.namespace}):
            return False
    elif peer.namespace != OURS:
        return False
    return selects(each.get("podSelector", {}), peer.labels)
