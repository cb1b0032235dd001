"""The frozen values that the parts hand to each other. Imports nothing of ours but the errors."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Self

from discovery.errors import InvalidTarget

EXAMPLES = {
    "static": "static:///10.0.0.1:8080,10.0.0.2:8080",
    "etcd": "etcd://etcd-0:2379,etcd-1:2379/services/orders",
    "kubernetes": "kubernetes:///orders.shop:http",
    "service": "service:///orders.shop:80",
    "dns": "dns:///orders.shop.svc.cluster.local:8080",
    "srv": "srv:///_http._tcp.orders.shop.svc.cluster.local",
    "file": "file:///etc/orders/servers.yaml",
}

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/]*)/(?P<path>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Target:
    """What the user names, in the syntax of gRPC's names: `scheme://authority/path`.

    The meaning of `authority` and `path` is the scheme's own (`discovery.registry` lists the schemes).
    """

    scheme: str
    authority: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split the text; raises `InvalidTarget` where it has no scheme or nothing to resolve."""
        match = _URI.fullmatch(text)
        if match is None:
            raise InvalidTarget(
                f"target {text!r} has no `scheme://authority/path`; correct is, for example, {EXAMPLES['kubernetes']}"
            )
        target = cls(match["scheme"].lower(), match["authority"], match["path"])
        if not target.path:
            raise target.invalid("there is nothing after the third slash")
        return target

    def invalid(self, why: str) -> InvalidTarget:
        """The error for a part of this target that its scheme does not understand."""
        example = EXAMPLES.get(self.scheme)
        advice = f"; correct is, for example, {example}" if example else ""
        return InvalidTarget(f"target {str(self)!r}: {why}{advice}")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}/{self.path}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server: where it listens, and what the resolver knows about it.

    host    an IP address (IPv6 without brackets) or a DNS name
    port    1 to 65535
    name    the pod's name, where there is one
    weight  relative share, at least 1; used by weighted policies alone
    zone    failure domain (`topology.kubernetes.io/zone`), or ""
    node    the machine that it runs on, or ""
    for_zones, for_nodes  the clients that it is meant for, by Kubernetes' topology hints; empty without hints
    """

    host: str
    port: int
    name: str = ""
    weight: int = 1
    zone: str = ""
    node: str = ""
    for_zones: tuple[str, ...] = ()
    for_nodes: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """`host:port`, with IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.name} ({self.address})" if self.name else self.address


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The complete endpoint set of a target at one version, in a stable order. Never a delta.

    version  opaque: the resolver's own name for this state, or ""
    note     why there is no endpoint, where the resolver knows (a port that does not exist, say); shown in errors
    """

    endpoints: tuple[Endpoint, ...]
    version: str = ""
    note: str = ""


class Outcome(enum.Enum):
    """How a request ended, as far as it says something about its endpoint."""

    SUCCESS = "success"
    FAILURE = "failure"
    BUSY = "busy"
    """It has more to do than it can: a sign of load, and none against its health (HTTP's 429)."""
    CANCELLED = "cancelled"
    """The caller gave up: it says nothing about the endpoint."""


def split_address(text: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as its two parts; raises ValueError that says which part is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} has no `:port`")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r} is an IPv6 address without brackets")
    return host, port_number(port)


def port_number(text: str) -> int:
    """A port as a number; raises ValueError where it is none from 1 to 65535."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError(f"port {text!r} is not a number from 1 to 65535")
    return int(text)
