"""What the API server fills in when a Service or a Job is created or changed: addresses, ports, selectors; pure."""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Any

from .jobs import UID_LABEL, template_labels
from .kinds import ENDPOINT_SLICE, JOB, SERVICE, Kind, Object
from .network import SERVICE_CIDR
from .store_errors import InvalidError
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
_JOB = {"parallelism": 1, "backoffLimit": 6}
_LASTING = ("completions", "completionMode", "selector", "template")
"""What of a Job does not change."""
_WITH_NODE_PORTS = frozenset({"NodePort", "LoadBalancer"})


def with_defaults(kind: Kind, obj: Object, existing: Iterable[Object], previous: Object | None = None) -> Object:
    """The object as it is to be stored. `existing` are all of its kind; `previous` is the one that it replaces.

    Raises `InvalidError` for what the lab's controllers could not take.
    """
    check(kind, obj)
    if kind == JOB:
        return _job(obj, previous)
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


def identified(kind: Kind, obj: Object) -> Object:
    """A new object with what follows from its name and uid: a Job finds its pods by labels that nobody else's have."""
    if kind != JOB:
        return obj
    spec, labels = obj["spec"], template_labels(obj)
    metadata = spec["template"].get("metadata") or {}
    template = {**spec["template"], "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}}
    selector = {"matchLabels": {UID_LABEL: labels[UID_LABEL]}}
    return {**obj, "spec": {**spec, "selector": selector, "template": template}}


def _job(job: Object, previous: Object | None) -> Object:
    spec = {**_JOB, **job["spec"]}
    name = job["metadata"].get("name", "")
    if previous is None and "selector" in spec:
        raise InvalidError(f'Job "{name}" is invalid: spec.selector: Invalid value: `selector` not auto-generated')
    before = spec if previous is None else previous["spec"]
    for field in _LASTING:
        if spec.get(field) != before.get(field):
            raise InvalidError(f'Job "{name}" is invalid: spec.{field}: Invalid value: field is immutable')
    return {**job, "spec": spec}


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
