"""The EndpointSlice controller: writes for every Service with a selector which pods serve it, and how ready.

`plan_slices` decides, from objects alone; `run_slice_controller` feeds it through the API and writes what it
decided. The rules are those of the controller in a Kubernetes 1.36 cluster, for IPv4, without topology hints,
and without the annotation that tells when a change began. It also removes the slices of a Service that is
gone, which is the garbage collector's work in a cluster.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from .client import ApiClient, ApiError
from .kinds import ENDPOINT_SLICE, POD, SERVICE, Object, labels_of
from .label_selectors import LabelSelector
from .mirror import RETRY_S, Mirror

MAX_ENDPOINTS = 100
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
_HEADLESS = {"service.kubernetes.io/headless": ""}

_QUIET_S = 0.003  # a burst of changes is over when nothing has come for so long
_BURST_S = 0.02  # but what has come by then is written

_Ports = tuple[tuple[str, str, int], ...]  # name, protocol and number of each
_Endpoints = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The writes that bring the slices of one Service up to date; `update` holds the complete new objects."""

    create: tuple[Object, ...]
    update: tuple[Object, ...]
    delete: tuple[Object, ...]


def plan_slices(service: Object, pods: Iterable[Object], existing: Iterable[Object], zones: Mapping[str, str]) -> Plan:
    """What to write so that the slices of `service` tell its pods.

    `pods` may be those of any Service, `existing` are this Service's slices; `zones` maps node to zone.
    Endpoints stay in the slice and at the place where they are. New ones go to slices that change anyway,
    then to the fullest that has room for all, then to new slices. A Service always keeps one slice.
    """
    wanted = _endpoints_by_ports(service, pods, zones)
    kept: list[tuple[Object, _Ports, _Endpoints]] = []
    free: list[Object] = []
    for old in existing:
        ports = _ports_of(old)
        group = wanted.get(ports, {})
        uids = [endpoint["targetRef"]["uid"] for endpoint in old["endpoints"] or ()]
        if endpoints := [group.pop(uid) for uid in uids if uid in group]:
            kept.append((old, ports, endpoints))
        else:
            free.append(old)

    added: list[tuple[_Ports | None, _Endpoints | None]] = []
    for ports, group in wanted.items():
        slices = [(old["endpoints"], endpoints) for old, its_ports, endpoints in kept if its_ports == ports]
        added += [(ports, endpoints) for endpoints in _place(list(group.values()), slices)]
    if not kept and not added:
        added.append((None, None))

    updated = [(old, _slice(service, ports, endpoints, old)) for old, ports, endpoints in kept]
    updated += [(old, _slice(service, *content, old)) for old, content in zip(free, added, strict=False)]
    return Plan(
        create=tuple(_slice(service, *content) for content in added[len(free) :]),
        update=tuple(new for old, new in updated if new != old),
        delete=tuple(free[len(added) :]),
    )


async def run_slice_controller(client: ApiClient, zones: Mapping[str, str]) -> None:
    """Keep the slices of all Services up to date until cancelled; `zones` maps node to zone.

    Raises an `ExceptionGroup` of `ApiError` if the API server refuses it; where there is none, it waits.
    """
    changed = asyncio.Event()
    services = Mirror(client, SERVICE, changed.set)
    pods = Mirror(client, POD, changed.set)
    async with asyncio.TaskGroup() as group:
        group.create_task(services.run(), name="slice-controller-services")
        group.create_task(pods.run(), name="slice-controller-pods")
        await services.listed.wait()
        await pods.listed.wait()
        while True:
            await _burst(changed)
            try:
                await _write_slices(client, services.objects.values(), pods.objects.values(), zones)
            except ApiError as error:
                if error.code not in {404, 409}:
                    raise
                changed.set()  # somebody else wrote in between
            except httpx.TransportError:
                await asyncio.sleep(RETRY_S)
                changed.set()


async def _burst(changed: asyncio.Event) -> None:
    """Wait for a change and for what comes right behind it, so that several pods make one write."""
    await changed.wait()
    clock = asyncio.get_running_loop().time
    end = clock() + _BURST_S
    while changed.is_set() and clock() < end:
        changed.clear()
        try:
            async with asyncio.timeout(_QUIET_S):
                await changed.wait()
        except TimeoutError:
            return
    changed.clear()


async def _write_slices(
    client: ApiClient, services: Iterable[Object], pods: Iterable[Object], zones: Mapping[str, str]
) -> None:
    ((label, value),) = _MANAGED_BY.items()
    owned: dict[str, list[Object]] = defaultdict(list)
    for existing in (await client.list(ENDPOINT_SLICE, selector=f"{label}={value}")).items:
        owned[existing["metadata"]["ownerReferences"][0]["uid"]].append(existing)
    plans = [
        plan_slices(service, pods, owned.pop(service["metadata"]["uid"], ()), zones)
        for service in services
        if service["spec"].get("selector") and service["spec"].get("type") != "ExternalName"
    ]
    plans += [Plan((), (), tuple(ownerless)) for ownerless in owned.values()]
    for plan in plans:
        for new in plan.create:
            await client.create(ENDPOINT_SLICE, new["metadata"]["namespace"], new)
        for new in plan.update:
            await client.replace(ENDPOINT_SLICE, new)
        for old in plan.delete:
            await client.delete(ENDPOINT_SLICE, old["metadata"]["namespace"], old["metadata"]["name"])


def _place(new: _Endpoints, slices: list[tuple[_Endpoints, _Endpoints]]) -> list[_Endpoints]:
    """Append new endpoints to slices of the same ports, and return the contents of the slices to be added.

    Of each slice there are the endpoints that it has so far, and those that it is going to have.
    """
    for before, after in slices:
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


def _endpoints_by_ports(
    service: Object, pods: Iterable[Object], zones: Mapping[str, str]
) -> dict[_Ports, dict[str, dict[str, Any]]]:
    """The endpoints by the uid of their pods, apart for pods whose named ports have different numbers."""
    selector = LabelSelector.equal_to(service["spec"]["selector"])
    found: dict[_Ports, dict[str, dict[str, Any]]] = {}
    for pod in pods:
        status = pod.get("status") or {}
        if (
            pod["metadata"]["namespace"] == service["metadata"]["namespace"]
            and selector.matches(labels_of(pod))
            and status.get("podIP")
            and status.get("phase") not in {"Succeeded", "Failed"}
        ):
            group = found.setdefault(_pod_ports(service, pod), {})
            group[pod["metadata"]["uid"]] = _endpoint(service, pod, zones)
    return found


def _endpoint(service: Object, pod: Object, zones: Mapping[str, str]) -> dict[str, Any]:
    metadata, status, node = pod["metadata"], pod["status"], pod["spec"].get("nodeName")
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions") or ()}
    serving = conditions.get("Ready") == "True"
    terminating = "deletionTimestamp" in metadata
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoint = {
        "addresses": [status["podIP"]],
        "conditions": {
            "ready": published or (serving and not terminating),
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
    if node in zones:
        endpoint["zone"] = zones[node]
    return endpoint


def _pod_ports(service: Object, pod: Object) -> _Ports:
    """The Service's ports with the pod's numbers; a port whose name the pod does not have is left out."""
    containers = pod["spec"].get("containers") or ()
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
            resolved.append((port.get("name", ""), protocol, number))
    return tuple(resolved)


def _ports_of(existing: Object) -> _Ports:
    return tuple((port["name"], port["protocol"], port["port"]) for port in existing["ports"] or ())


def _slice(
    service: Object, ports: _Ports | None, endpoints: _Endpoints | None, old: Object | None = None
) -> dict[str, Any]:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    labels = {**labels_of(service), **_MANAGED_BY, SERVICE_NAME_LABEL: name}
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
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports and [{"name": port, "protocol": protocol, "port": number} for port, protocol, number in ports],
    }
