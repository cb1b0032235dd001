"""EndpointSlices to snapshots, without I/O. The only place that interprets Kubernetes' conditions."""

from __future__ import annotations

import functools
import ipaddress
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from discovery.model import Endpoint, Snapshot
from discovery.resolvers._wire import (
    Bookmark,
    Conditions,
    EndpointSlice,
    EndpointSliceList,
    Event,
    Member,
    Metadata,
    Named,
)

Placed = dict[tuple[str, int], Endpoint]


@dataclass(frozen=True, slots=True)
class _Slice:
    """What counts of one EndpointSlice.

    ports    names and numbers
    ready    may take requests
    leaving  terminate, and serve until they have
    hosts    all addresses, whatever their condition
    """

    family: str
    ports: tuple[tuple[str, int], ...]
    ready: tuple[Member, ...]
    leaving: tuple[Member, ...]
    hosts: frozenset[str]
    _placed: dict[tuple[int, bool], Placed] = field(default_factory=dict, compare=False, repr=False)

    def on(self, port: int, *, ready: bool) -> Placed:
        """The ready or the leaving endpoints on a port, by address. Kept, since of many slices few change at a time."""
        key = (port, ready)
        if key not in self._placed:
            endpoints = [_placed(each, port) for each in (self.ready if ready else self.leaving)]
            endpoints.sort(key=_BY_HOST)
            self._placed[key] = {(each.host, port): each for each in endpoints}
        return self._placed[key]


@dataclass(frozen=True, slots=True)
class Slices:
    """All slices of one Service at one version, keyed by name: an immutable value, made anew for each event."""

    version: str = ""
    by_name: Mapping[str, _Slice] = field(default_factory=dict)

    @classmethod
    def listed(cls, body: EndpointSliceList) -> Slices:
        """From a LIST. Raises ValueError where it is none that counts."""
        return cls(_version(body.metadata), {_name(item.metadata): _parse(item) for item in body.items or ()})

    def after(self, event: Event) -> Slices:
        """With one watch event applied. Raises ValueError where it is none that counts."""
        item = event.object
        version = _version(item.metadata)
        if isinstance(event, Bookmark):
            return Slices(version, self.by_name)
        by_name = dict(self.by_name)
        if isinstance(item, EndpointSlice):
            by_name[_name(item.metadata)] = _parse(item)
        else:
            by_name.pop(_name(item.metadata), None)
        return Slices(version, by_name)

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
                    host = _host(endpoint)
                    if not (now and host in now.hosts) and not newer.has(host):
                        alone = _Slice(each.family, each.ports, (endpoint,), (), frozenset({host}))
                        yield host, Slices(self.version, {f"{name}/{host}": alone})

    def of_names(self) -> tuple[str, ...]:
        """The slices that hold DNS names in place of addresses (`addressType: FQDN`), which are not used."""
        return tuple(name for name, each in self.by_name.items() if each.family == "FQDN")

    def has(self, host: str) -> bool:
        """Whether any slice has the address, whatever its condition."""
        return any(host in each.hosts for each in self.by_name.values())

    def _why_empty(self, port: str, has_port: bool) -> str:
        if not self.by_name:
            return "it has no EndpointSlice: there is no such Service, or it has no selector"
        ports = sorted({each for one in self.by_name.values() for each in one.ports})
        if has_port or not ports:
            return "none of its pods is ready"
        known = ", ".join(f"{name} ({number})" if name else str(number) for name, number in ports)
        if not port:
            return f"its pods have several ports, so the target must name one of {known}"
        kind = "number (the pods', not the Service's)" if port.isdigit() else "name"
        return f"no pod has a port of the {kind} {port!r}; there are {known}"


def _version(metadata: Metadata) -> str:
    if not metadata.resource_version:
        raise ValueError("an object without a resourceVersion")
    return metadata.resource_version


def _name(metadata: Metadata) -> str:
    if not metadata.name:
        raise ValueError("an object without a name")
    return metadata.name


def _parse(item: EndpointSlice) -> _Slice:
    # FQDN slices are deprecated, and no address that could be connected to.
    members = item.endpoints or () if item.address_type in {"IPv4", "IPv6"} else ()
    ready, leaving, hosts = list[Member](), list[Member](), set[str]()
    for each in members:
        if not each.addresses:
            continue
        hosts.add(_host(each))
        # The API's documentation of EndpointConditions says what one that is absent or null counts as.
        conditions = each.conditions or _NONE
        if conditions.ready is not False:
            ready.append(each)
        if conditions.terminating and conditions.serving is not False:
            leaving.append(each)
    return _Slice(
        family=str(item.address_type),
        ports=tuple(
            (each.name or "", each.port) for each in item.ports or () if each.port and (each.protocol or "TCP") == "TCP"
        ),
        ready=tuple(ready),
        leaving=tuple(leaving),
        hosts=frozenset(hosts),
    )


_NONE = Conditions()
_BY_HOST = operator.attrgetter("host")


def _host(member: Member) -> str:
    # Where there are several addresses they are fungible, and consumers are told to use the first.
    return _address(member.addresses[0]) if member.addresses else ""


@functools.lru_cache(maxsize=65_536)
def _address(value: str) -> str:
    ipaddress.ip_address(value)
    return value


@functools.lru_cache(maxsize=65_536)
def _placed(member: Member, port: int) -> Endpoint:
    # From event to event nearly all are as they were.
    target, hints = member.target_ref, member.hints
    return Endpoint(
        _host(member),
        port,
        name=(target.name or "") if target else "",
        zone=member.zone or "",
        node=member.node_name or "",
        for_zones=_names(hints.for_zones) if hints else (),
        for_nodes=_names(hints.for_nodes) if hints else (),
    )


def _names(hints: tuple[Named, ...] | None) -> tuple[str, ...]:
    return tuple(each.name for each in hints or ())


def _joined(usable: Iterable[tuple[_Slice, int]], *, ready: bool) -> tuple[Endpoint, ...]:
    """The endpoints of several slices, each address and port once, in the order of their addresses."""
    found = [(each.family, placed) for each, port in usable if (placed := each.on(port, ready=ready))]
    # A pod of a dual-stack Service is in a slice of each family: one family, so that it counts once.
    family = min((family for family, _ in found), default="")
    if len(found) == 1:
        return tuple(found[0][1].values())
    endpoints: Placed = {}
    for of_family, placed in found:
        if of_family == family:
            endpoints.update(placed)
    return tuple(endpoints[address] for address in sorted(endpoints))


def _choose(ports: tuple[tuple[str, int], ...], wanted: str) -> int | None:
    if not wanted:
        return ports[0][1] if len(ports) == 1 else None
    return next((number for name, number in ports if wanted in {name, str(number)}), None)
