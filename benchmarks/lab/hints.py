"""Topology hints: which zones, and which nodes, an endpoint is meant for (KEP-4444, KEP-3015); pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from .kinds import Object

_BY_ZONE = frozenset({"PreferClose", "PreferSameZone", "PreferSameNode"})
_BY_NODE = "PreferSameNode"


def hinted(service: Object, endpoints: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The endpoints with the hints that the Service's `trafficDistribution` asks for, and no others.

    Ready endpoints alone have hints; one without a zone has none for zones, but keeps the one for its node.
    """
    distribution = service["spec"].get("trafficDistribution")
    found = []
    for endpoint in without_hints(endpoints):
        hints: dict[str, list[dict[str, str]]] = {}
        if endpoint["conditions"]["ready"]:
            if distribution in _BY_ZONE and endpoint.get("zone"):
                hints["forZones"] = [{"name": endpoint["zone"]}]
            if distribution == _BY_NODE and endpoint.get("nodeName"):
                hints["forNodes"] = [{"name": endpoint["nodeName"]}]
        found.append({**endpoint, "hints": hints} if hints else endpoint)
    return found


def without_hints(endpoints: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The endpoints as they are known before anyone asks for hints."""
    return [{field: value for field, value in endpoint.items() if field != "hints"} for endpoint in endpoints]
