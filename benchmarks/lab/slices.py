"""What the EndpointSlices of a Service have to say: which pods serve it, and how ready they are; pure.

The rules are those of the controller in a Kubernetes 1.36 cluster. `slice_controller` carries out what is planned here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .hints import hinted, without_hints
from .kinds import ENDPOINT_SLICE, POD, SERVICE, Object, labels_of
from .label_selectors import LabelSelector

MAX_ENDPOINTS = 100
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
_HEADLESS = {"service.kubernetes.io/headless": ""}
_TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"

Ports = tuple[tuple[str, str, int, str | None], ...]
"""Name, protocol, number and application protocol of each."""
_Endpoints = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The writes that bring the slices of one Service up to date; `update` holds the complete new objects."""

    create: tuple[Object, ...]
    update: tuple[Object, ...]
    delete: tuple[Object, ...]


def plan_slices(
    service: Object,
    pods: Iterable[Object],
    existing: Iterable[Object],
    zones: Mapping[str, str],
    trigger_time: str | None = None,
) -> Plan:
    """What to write so that the slices of `service` tell its pods.

    `pods` may be those of any Service, `existing` are this Service's slices; `zones` maps node to zone, or to "".
    A pod that is on none of these nodes is left out, unless the Service publishes addresses that are not ready.
    Endpoints stay in the slice and at the place where they are. New ones go to slices that change anyway,
    then to the fullest that has room for all, then to new slices. A Service always keeps one slice of each
    of its address families. What is written is annotated with `trigger_time`, when the change began.
    """
    old = tuple(existing)
    mine = tuple(pod for pod in pods if _publishes_all(service) or _node(pod) in zones)
    plans = [
        _plan_family(service, family, endpoints_by_ports(service, mine, zones, family), old, trigger_time)
        for family in service["spec"].get("ipFamilies") or ("IPv4",)
    ]
    families = service["spec"].get("ipFamilies") or ("IPv4",)
    strays = tuple(one for one in old if one["addressType"] not in families)
    return Plan(
        create=tuple(new for plan in plans for new in plan.create),
        update=tuple(new for plan in plans for new in plan.update),
        delete=tuple(gone for plan in plans for gone in plan.delete) + strays,
    )


def _plan_family(
    service: Object,
    family: str,
    wanted: Mapping[Ports, dict[str, dict[str, Any]]],
    existing: Iterable[Object],
    trigger_time: str | None,
) -> Plan:
    kept: list[tuple[Object, Ports, _Endpoints]] = []
    free: list[Object] = []
    for old in existing:
        if old["addressType"] != family:
            continue
        ports = _ports_of(old)
        group = wanted.get(ports, {})
        uids = [(endpoint.get("targetRef") or {}).get("uid") for endpoint in old.get("endpoints") or ()]
        # dict.fromkeys: what somebody else wrote may name a pod twice.
        if endpoints := [group.pop(uid) for uid in dict.fromkeys(uids) if uid in group]:
            kept.append((old, ports, endpoints))
        else:
            free.append(old)

    added: list[tuple[Ports | None, _Endpoints | None]] = []
    for ports, group in wanted.items():
        slices = [(without_hints(old["endpoints"]), after) for old, its_ports, after in kept if its_ports == ports]
        added += [(ports, endpoints) for endpoints in _place(list(group.values()), slices)]
    if not kept and not added:
        added.append((None, None))

    def content(ports: Ports | None, endpoints: _Endpoints | None, old: Object | None = None) -> dict[str, Any]:
        return _slice(service, family, ports, endpoints, old)

    updated = [(old, content(ports, endpoints, old)) for old, ports, endpoints in kept]
    updated += [(old, content(*its_content, old)) for old, its_content in zip(free, added, strict=False)]
    return Plan(
        create=tuple(_triggered(content(*its_content), trigger_time) for its_content in added[len(free) :]),
        update=tuple(_triggered(new, trigger_time) for old, new in updated if new != old),
        delete=tuple(free[len(added) :]),
    )


def _place(new: _Endpoints, slices: list[tuple[_Endpoints, _Endpoints]]) -> list[_Endpoints]:
    """Append new endpoints to slices of the same ports, and return the contents of the slices to be added.

    Of each slice there are the endpoints that it has so far, and those that it is going to have.
    """
    for before, after in sorted(slices, key=lambda each: -len(each[1])):
        if before != after:
            room = MAX_ENDPOINTS - len(after)
            after.extend(new[:room])
            new = new[room:]
    added = []
    while new:
        roomy = [after for _before, after in slices if len(after) + len(new) <= MAX_ENDPOINTS]
        if roomy:
            max(roomy, key=len).extend(new)
            break
        added.append(new[:MAX_ENDPOINTS])
        new = new[MAX_ENDPOINTS:]
    return added


def endpoints_by_ports(
    service: Object, pods: Iterable[Object], zones: Mapping[str, str], family: str = "IPv4"
) -> dict[Ports, dict[str, dict[str, Any]]]:
    """The endpoints by the uid of their pods, apart for pods whose named ports have different numbers."""
    selector = LabelSelector.equal_to(service["spec"]["selector"])
    found: dict[Ports, dict[str, dict[str, Any]]] = {}
    for pod in pods:
        if (
            pod["metadata"]["namespace"] == service["metadata"]["namespace"]
            and selector.matches(labels_of(pod))
            and (address := _address(pod, family))
            and pod["status"].get("phase") not in {"Succeeded", "Failed"}
        ):
            group = found.setdefault(_pod_ports(service, pod), {})
            group[pod["metadata"]["uid"]] = _endpoint(service, pod, address, zones)
    return found


def _address(pod: Object, family: str) -> str | None:
    """The pod's address of a family; the family of an address shows by the colons of IPv6."""
    status = pod.get("status") or {}
    addresses = [each["ip"] for each in status.get("podIPs") or ()] or [status.get("podIP")]
    return next((each for each in addresses if each and (":" in each) == (family == "IPv6")), None)


def _endpoint(service: Object, pod: Object, address: str, zones: Mapping[str, str]) -> dict[str, Any]:
    metadata, status, node = pod["metadata"], pod["status"], _node(pod)
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions") or ()}
    serving = conditions.get("Ready") == "True"
    terminating = "deletionTimestamp" in metadata
    endpoint = {
        "addresses": [address],
        "conditions": {
            "ready": _publishes_all(service) or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": POD.name,
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }
    if node:
        endpoint["nodeName"] = node
    if zone := zones.get(node):
        endpoint["zone"] = zone
    return endpoint


def _node(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _publishes_all(service: Object) -> bool:
    return bool(service["spec"].get("publishNotReadyAddresses"))


def _pod_ports(service: Object, pod: Object) -> Ports:
    """The Service's ports with the pod's numbers; a port whose name the pod does not have is left out."""
    containers = (pod.get("spec") or {}).get("containers") or ()
    declared = {
        (port.get("name"), port.get("protocol", "TCP")): port["containerPort"]
        for container in containers
        for port in container.get("ports") or ()
    }
    resolved = []
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol", "TCP")
        target = port.get("targetPort") or port["port"]
        number = target if isinstance(target, int) else declared.get((target, protocol))
        if number is not None:
            resolved.append((port.get("name") or "", protocol, number, port.get("appProtocol")))
    return tuple(resolved)


def _ports_of(existing: Object) -> Ports:
    """As it is written; what somebody has left out is None, as in no slice of this controller's."""
    ports = existing.get("ports") or ()
    return tuple((each.get("name"), each.get("protocol"), each.get("port"), each.get("appProtocol")) for each in ports)


def _slice(
    service: Object, family: str, ports: Ports | None, endpoints: _Endpoints | None, old: Object | None
) -> dict[str, Any]:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    labels = {**labels_of(service), **MANAGED_BY, SERVICE_NAME_LABEL: name}
    if service["spec"].get("clusterIP") == "None":
        labels |= _HEADLESS
    owner = {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "name": name,
        "uid": service["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = old["metadata"] if old else {"generateName": f"{name}-", "namespace": namespace}
    return {
        "kind": ENDPOINT_SLICE.name,
        "apiVersion": ENDPOINT_SLICE.api_version,
        "metadata": {**metadata, "labels": labels, "ownerReferences": [owner]},
        "addressType": family,
        "endpoints": endpoints and hinted(service, endpoints),
        "ports": ports and list(_port_objects(ports)),
    }


def _port_objects(ports: Ports) -> Iterator[dict[str, Any]]:
    for name, protocol, number, app_protocol in ports:
        application = {"appProtocol": app_protocol} if app_protocol else {}
        yield {"name": name, "protocol": protocol, "port": number, **application}


def _triggered(new: Mapping[str, Any], trigger_time: str | None) -> dict[str, Any]:
    """A slice that is going to be written, with the time of what triggered that; a deletion has none."""
    kept = {key: value for key, value in (new["metadata"].get("annotations") or {}).items() if key != _TRIGGER_TIME}
    annotations = kept | ({_TRIGGER_TIME: trigger_time} if trigger_time else {})
    metadata = {key: value for key, value in new["metadata"].items() if key != "annotations"}
    return {**new, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}
