"""What the API server fills in when a Service is created or changed: its address and its node ports; pure."""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Any

from .kinds import ENDPOINT_SLICE, SERVICE, Kind, Object
from .network import SERVICE_CIDR
from .validation import check

# The lower half of the range is for those who choose an address themselves, as Kubernetes recommends.
_FIRST_CLUSTER_IP = int(SERVICE_CIDR.network_address) + SERVICE_CIDR.num_addresses // 2
_NODE_PORTS = range(30000, 32768)
_SERVICE = {
    "type": "ClusterIP",
    "sessionAffinity": "None",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "internalTrafficPolicy": "Cluster",
}
_WITH_NODE_PORTS = frozenset({"NodePort", "LoadBalancer"})


def with_defaults(kind: Kind, obj: Object, existing: Iterable[Object], previous: Object | None = None) -> Object:
    """The object as it is to be stored. `existing` are all of its kind; `previous` is the one that it replaces.

    Raises `InvalidError` for what the lab's controllers could not take.
    """
    check(kind, obj)
    if kind == ENDPOINT_SLICE:
        return {**obj, "endpoints": obj.get("endpoints"), "ports": obj.get("ports")}
    if kind != SERVICE or obj.get("spec", {}).get("type") == "ExternalName":
        return obj
    services = tuple(existing)
    spec: dict[str, Any] = {**_SERVICE, **obj.get("spec", {})}
    before = (previous or {}).get("spec", {})
    if not spec.get("clusterIP"):
        spec["clusterIP"] = before.get("clusterIP") or _cluster_ip(services)
    spec["clusterIPs"] = [spec["clusterIP"]]
    spec["ports"] = [{"protocol": "TCP", **port} for port in spec.get("ports") or ()]
    if spec["type"] in _WITH_NODE_PORTS:
        spec["ports"] = _with_node_ports(spec["ports"], services, before)
    return {**obj, "spec": spec}


def _cluster_ip(services: Iterable[Object]) -> str:
    taken = {service.get("spec", {}).get("clusterIP") for service in services}
    return str(_first_free(lambda number: str(IPv4Address(_FIRST_CLUSTER_IP + number)), range(1, 2**15 - 1), taken))


def _with_node_ports(ports: list[dict[str, Any]], services: Iterable[Object], before: Object) -> list[dict[str, Any]]:
    taken = {port.get("nodePort") for service in services for port in service.get("spec", {}).get("ports") or ()}
    known = {(port["port"], port.get("protocol", "TCP")): port.get("nodePort") for port in before.get("ports") or ()}
    completed = []
    for port in ports:
        number = port.get("nodePort") or known.get((port["port"], port["protocol"]))
        number = number or _first_free(int, _NODE_PORTS, taken)
        taken.add(number)
        completed.append({**port, "nodePort": number})
    return completed


def _first_free(name: Callable[[int], Any], numbers: range, taken: set[Any]) -> Any:
    return next(candidate for candidate in map(name, numbers) if candidate not in taken)
