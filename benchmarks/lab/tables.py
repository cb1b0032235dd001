"""Objects as the tables that kubectl prints (`Accept: application/json;as=Table`), with its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from .kinds import DEPLOYMENT, ENDPOINT_SLICE, ENDPOINTS, JOB, POD, SERVICE, Kind, Object

TABLE = "Table"
_NONE = "<none>"
_SHOWN = 3  # addresses or ports in one cell, as a real server has it

Cells = Callable[[Object], list[Any]]


def wants_table(accept: str) -> bool:
    """Whether the client would rather have a table, by its Accept header."""
    first = accept.partition(",")[0]
    return "as=Table" in first and "application/json" in first and "g=meta.k8s.io" in first


def table(
    kind: Kind, objects: Iterable[Object], metadata: Mapping[str, Any], *, include: str | None = None
) -> dict[str, Any]:
    """The table of some objects; `include` tells what of each goes along: "Object", "None", or its metadata."""
    columns, cells = _COLUMNS.get(kind, _OTHERS)
    return {
        "kind": TABLE,
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(metadata),
        "columnDefinitions": [
            {
                "name": name,
                "type": "string",
                "format": "name" if name == "Name" else "",
                "description": "",
                "priority": 0,
            }
            for name in ("Name", *columns, "Age")
        ],
        "rows": [_row(obj, cells, include) for obj in objects],
    }


def _row(obj: Object, cells: Cells, include: str | None) -> dict[str, Any]:
    # A bookmark has neither name nor content.
    name = obj["metadata"].get("name")
    shown = [name, *cells(obj), _age(obj)] if name else []
    row: dict[str, Any] = {"cells": shown}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    return row


def _age(obj: Object) -> str:
    since = obj["metadata"].get("creationTimestamp")
    if not since:
        return "<unknown>"
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(0, seconds)}s"


def _service(obj: Object) -> list[Any]:
    spec = obj.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    external = spec.get("externalName") if kind == "ExternalName" else None
    ports = [
        f"{port['port']}{':' + str(port['nodePort']) if port.get('nodePort') else ''}/{port.get('protocol', 'TCP')}"
        for port in spec.get("ports") or ()
    ]
    return [kind, spec.get("clusterIP") or _NONE, external or _NONE, ",".join(ports) or _NONE]


def _pod(obj: Object) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    wanted = len(spec.get("containers") or ())
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    phase = "Terminating" if "deletionTimestamp" in obj["metadata"] else status.get("phase", "Pending")
    restarts = sum(each.get("restartCount", 0) for each in status.get("containerStatuses") or ())
    return [f"{wanted if ready else 0}/{wanted}", phase, restarts]


def _slice(obj: Object) -> list[Any]:
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint["addresses"]]
    ports = [str(port.get("port", "")) for port in obj.get("ports") or ()]
    return [obj.get("addressType", ""), _few(ports, "<unset>"), _few(addresses, "<unset>")]


def _endpoints(obj: Object) -> list[Any]:
    places = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    return [_few(places, _NONE)]


def _few(items: list[str], nothing: str) -> str:
    more = f" + {len(items) - _SHOWN} more..." if len(items) > _SHOWN else ""
    return ",".join(items[:_SHOWN]) + more if items else nothing


def _deployment(obj: Object) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    ready, wanted = status.get("readyReplicas", 0), spec.get("replicas", 1)
    return [f"{ready}/{wanted}", status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]


def _job(obj: Object) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    turned = [each["type"] for each in status.get("conditions") or () if each["status"] == "True"]
    return [turned[-1] if turned else "Running", f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}"]


_OTHERS: tuple[tuple[str, ...], Cells] = ((), lambda _obj: [])
_COLUMNS: Mapping[Kind, tuple[tuple[str, ...], Cells]] = {
    SERVICE: (("Type", "Cluster-IP", "External-IP", "Port(s)"), _service),
    POD: (("Ready", "Status", "Restarts"), _pod),
    ENDPOINT_SLICE: (("AddressType", "Ports", "Endpoints"), _slice),
    ENDPOINTS: (("Endpoints",), _endpoints),
    DEPLOYMENT: (("Ready", "Up-to-date", "Available"), _deployment),
    JOB: (("Status", "Completions"), _job),
}
