"""EndpointSlices to snapshots, without I/O. The only place that interprets Kubernetes' conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from discovery.model import Endpoint, Snapshot

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Port:
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class _Slice:
    """What counts of one EndpointSlice; the endpoints still lack their port."""

    family: str
    ports: tuple[_Port, ...]
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Slices:
    """All slices of one Service at one version, keyed by name: an immutable value, made anew for each event."""

    version: str = ""
    by_name: Mapping[str, _Slice] = field(default_factory=dict)

    @classmethod
    def listed(cls, body: Object) -> Slices:
        """From the body of a LIST."""
        items = body.get("items") or []
        return cls(_version(body), {item["metadata"]["name"]: _parse(item) for item in items})

    def after(self, event: Object) -> Slices:
        """With one watch event (ADDED, MODIFIED, DELETED, BOOKMARK) applied."""
        item = event["object"]
        if event["type"] == "BOOKMARK":
            return Slices(_version(item), self.by_name)
        by_name = dict(self.by_name)
        if event["type"] == "DELETED":
            by_name.pop(item["metadata"]["name"], None)
        else:
            by_name[item["metadata"]["name"]] = _parse(item)
        return Slices(_version(item), by_name)

    def snapshot(self, port: str) -> Snapshot:
        """The ready endpoints of all slices on one port: by name, by number (the pods'), or "" for the only one."""
        usable = [(each, chosen) for each in self.by_name.values() if (chosen := _choose(each.ports, port))]
        # A pod of a dual-stack Service is in a slice of each family: one family, so that it counts once.
        family = min((each.family for each, _ in usable if each.endpoints), default="")
        endpoints = {
            (endpoint.host, chosen.number): replace(endpoint, port=chosen.number)
            for each, chosen in usable
            if each.family == family
            for endpoint in each.endpoints
        }
        ordered = tuple(endpoints[address] for address in sorted(endpoints))
        return Snapshot(ordered, self.version, note="" if ordered else self._why_empty(port, bool(usable)))

    def _why_empty(self, port: str, has_port: bool) -> str:
        if not self.by_name:
            return "it has no EndpointSlice: there is no such Service, or it has no selector"
        ports = sorted({(each.name, each.number) for one in self.by_name.values() for each in one.ports})
        if has_port or not ports:
            return "none of its pods is ready"
        known = ", ".join(f"{name} ({number})" if name else str(number) for name, number in ports)
        if not port:
            return f"its pods have several ports, so the target must name one of {known}"
        kind = "number (the pods', not the Service's)" if port.isdigit() else "name"
        return f"no pod has a port of the {kind} {port!r}; there are {known}"


def _version(item: Object) -> str:
    return str(item["metadata"]["resourceVersion"])


def _parse(item: Object) -> _Slice:
    return _Slice(
        family=item.get("addressType") or "",
        ports=tuple(
            _Port(port.get("name") or "", port["port"])
            for port in item.get("ports") or ()
            if port.get("port") and (port.get("protocol") or "TCP") == "TCP"
        ),
        endpoints=() if item.get("addressType") == "FQDN" else tuple(_ready(item.get("endpoints") or ())),
    )


def _ready(endpoints: Iterable[Object]) -> Iterable[Endpoint]:
    for endpoint in endpoints:
        # A condition that is absent or null counts as ready (the API's documentation of EndpointConditions).
        if (endpoint.get("conditions") or {}).get("ready") in {None, True} and endpoint.get("addresses"):
            yield Endpoint(
                # Where there are several addresses they are fungible, and consumers are told to use the first.
                host=endpoint["addresses"][0],
                port=0,
                name=(endpoint.get("targetRef") or {}).get("name") or "",
                zone=endpoint.get("zone") or "",
                node=endpoint.get("nodeName") or "",
            )


def _choose(ports: tuple[_Port, ...], wanted: str) -> _Port | None:
    if not wanted:
        return ports[0] if len(ports) == 1 else None
    return next((port for port in ports if wanted in {port.name, str(port.number)}), None)
