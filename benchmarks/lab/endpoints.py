"""The deprecated core/v1 Endpoints of a Service, for those who still look; pure.

As in a real cluster it leaves out pods that are terminating, and ends at 1000 addresses.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from .kinds import Object, labels_of
from .slices import Ports, endpoints_by_ports

MAX_ADDRESSES = 1000
_OVER_CAPACITY = {"endpoints.kubernetes.io/over-capacity": "truncated"}
MANAGED_BY = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}


def endpoints_of(service: Object, pods: Iterable[Object]) -> dict[str, Any]:
    """The Endpoints of a Service, out of all pods."""
    staying = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
    groups = endpoints_by_ports(service, staying, {})
    total = sum(map(len, groups.values()))
    room = iter(range(MAX_ADDRESSES))
    subsets = [
        _subset(ports, [each for each, _ in zip(group.values(), room, strict=False)]) for ports, group in groups.items()
    ]
    metadata = service["metadata"]
    return {
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {**labels_of(service), **MANAGED_BY},
            **({"annotations": _OVER_CAPACITY} if total > MAX_ADDRESSES else {}),
        },
        "subsets": [subset for subset in subsets if len(subset) > 1],
    }


def _subset(ports: Ports, endpoints: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {}
    for endpoint in endpoints:
        field = "addresses" if endpoint["conditions"]["ready"] else "notReadyAddresses"
        node = {"nodeName": endpoint["nodeName"]} if "nodeName" in endpoint else {}
        found.setdefault(field, []).append({"ip": endpoint["addresses"][0], **node, "targetRef": endpoint["targetRef"]})
    return {**found, "ports": list(_ports(ports))}


def _ports(ports: Ports) -> Iterator[dict[str, Any]]:
    for name, protocol, number, _application in ports:
        yield {**({"name": name} if name else {}), "port": number, "protocol": protocol}
