"""EndpointSlices to snapshots, without I/O. The only place that interprets Kubernetes' conditions."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from discovery.model import Endpoint, Snapshot, port_number

Object = Mapping[str, Any]
Placed = dict[tuple[str, int], Endpoint]


@dataclass(frozen=True, slots=True)
class _Port:
    name: str
    number: int


class _Seen(NamedTuple):
    """An endpoint that still lacks its port. Not an `Endpoint`, which takes ten times as long to make."""

    host: str
    name: str
    zone: str
    node: str
    for_zones: tuple[str, ...]
    for_nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Slice:
    """What counts of one EndpointSlice.

    ready    may take requests
    leaving  terminate, and serve until they have
    hosts    all addresses, whatever their condition
    """

    family: str
    ports: tuple[_Port, ...]
    ready: tuple[_Seen, ...]
    leaving: tuple[_Seen, ...]
    hosts: frozenset[str]
    _placed: dict[tuple[int, bool], Placed] = field(default_factory=dict, compare=False, repr=False)

    def on(self, port: int, *, ready: bool) -> Placed:
        """The ready or the leaving endpoints on a port, by address. Kept, since of many slices few change at a time."""
        key = (port, ready)
        if key not in self._placed:
            chosen = sorted(self.ready if ready else self.leaving)
            self._placed[key] = {(each.host, port): _placed(each, port) for each in chosen}
        return self._placed[key]


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
        """The endpoints of all slices on one port: by name, by number (the pods'), or "" for the only one.

        The ready ones; where there is none, those that terminate and still serve, as kube-proxy has it (KEP-1669).
        """
        usable = [(each, chosen) for each in self.by_name.values() if (chosen := _choose(each.ports, port))]
        endpoints = _joined(usable, ready=True) or _joined(usable, ready=False)
        return Snapshot(endpoints, self.version, note="" if endpoints else self._why_empty(port, bool(usable)))

    def left_in(self, newer: Slices) -> Iterator[tuple[str, Slices]]:
        """What was ready in a slice of these, and is in no slice of the newer ones: the address, and it alone."""
        for name, each in self.by_name.items():
            now = newer.by_name.get(name)
            if now is not each:
                for endpoint in each.ready:
                    if not (now and endpoint.host in now.hosts) and not newer.has(endpoint.host):
                        alone = _Slice(each.family, each.ports, (endpoint,), (), frozenset({endpoint.host}))
                        yield endpoint.host, Slices(self.version, {f"{name}/{endpoint.host}": alone})

    def of_names(self) -> tuple[str, ...]:
        """The slices that hold DNS names in place of addresses (`addressType: FQDN`), which are not used."""
        return tuple(name for name, each in self.by_name.items() if each.family == "FQDN")

    def has(self, host: str) -> bool:
        """Whether any slice has the address, whatever its condition."""
        return any(host in each.hosts for each in self.by_name.values())

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
    """Raises ValueError, TypeError or KeyError where it is not an EndpointSlice."""
    family = item.get("addressType")
    # FQDN slices are deprecated, and no address that could be connected to.
    items = item.get("endpoints") or () if family in {"IPv4", "IPv6"} else ()
    ready, leaving, hosts = list[_Seen](), list[_Seen](), set[str]()
    for each in items:
        if not (addresses := each.get("addresses")):
            continue
        # Where there are several addresses they are fungible, and consumers are told to use the first.
        host = _address(addresses[0])
        hosts.add(host)
        # The API's documentation of EndpointConditions says what one that is absent or null counts as.
        conditions = each.get("conditions") or _NONE
        is_ready, is_serving = conditions.get("ready"), conditions.get("serving")
        if is_ready is None or is_ready:
            ready.append(_seen(host, each))
        if conditions.get("terminating") and (is_serving is None or is_serving):
            leaving.append(_seen(host, each))
    return _Slice(
        family=str(family),
        ports=tuple(
            _Port(str(port.get("name") or ""), port_number(str(port["port"])))
            for port in item.get("ports") or ()
            if port.get("port") and (port.get("protocol") or "TCP") == "TCP"
        ),
        ready=tuple(ready),
        leaving=tuple(leaving),
        hosts=frozenset(hosts),
    )


_NONE: Object = {}


@functools.lru_cache(maxsize=65_536)
def _address(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not an address")
    ipaddress.ip_address(value)
    return value


@functools.lru_cache(maxsize=65_536)
def _placed(seen: _Seen, port: int) -> Endpoint:
    # From event to event nearly all are as they were.
    return Endpoint(
        seen.host,
        port,
        name=seen.name,
        zone=seen.zone,
        node=seen.node,
        for_zones=seen.for_zones,
        for_nodes=seen.for_nodes,
    )


def _seen(host: str, item: Object) -> _Seen:
    target, hints = item.get("targetRef"), item.get("hints")
    return _Seen(
        host,
        str(target.get("name") or "") if target else "",
        str(item.get("zone") or ""),
        str(item.get("nodeName") or ""),
        tuple([str(hint["name"]) for hint in hints.get("forZones") or ()]) if hints else (),
        tuple([str(hint["name"]) for hint in hints.get("forNodes") or ()]) if hints else (),
    )


def _joined(usable: Iterable[tuple[_Slice, _Port]], *, ready: bool) -> tuple[Endpoint, ...]:
    """The endpoints of several slices, each address and port once, in the order of their addresses."""
    found = [(each.family, placed) for each, port in usable if (placed := each.on(port.number, ready=ready))]
    # A pod of a dual-stack Service is in a slice of each family: one family, so that it counts once.
    family = min((family for family, _ in found), default="")
    if len(found) == 1:
        return tuple(found[0][1].values())
    endpoints: Placed = {}
    for of_family, placed in found:
        if of_family == family:
            endpoints.update(placed)
    return tuple(endpoints[address] for address in sorted(endpoints))


def _choose(ports: tuple[_Port, ...], wanted: str) -> _Port | None:
    if not wanted:
        return ports[0] if len(ports) == 1 else None
    return next((port for port in ports if wanted in {port.name, str(port.number)}), None)
