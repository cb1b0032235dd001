"""The ways to call that are compared: one file each, named as the strategy is, holding a `STRATEGY`.

A variant of one, `service-dns+affinity` say, is a file too: `service_dns__affinity.py`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from benchmarks.arm import Mode, Wire

if TYPE_CHECKING:
    import grpc
    import grpc.aio
    import httpx

    from benchmarks.lab.cluster import Cluster, Pod


@dataclass(frozen=True, slots=True)
class Way:
    """What a client process is told: where to call, and how.

    address    as `Strategy.address` gave it
    policy     for clients that pick
    namespace  that of the Service
    """

    address: str
    mode: Mode
    policy: str
    namespace: str = "default"


class Server(Protocol):
    """A pod, and where it serves."""

    @property
    def address(self) -> str: ...
    @property
    def http_port(self) -> int: ...
    @property
    def grpc_port(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where the Service `echo` is, for who is to call it.

    pods       those that it has at the start
    forwarder  HOST:PORT of what stands in for the Service where its name and its address do not work, else None
    """

    pods: Sequence[Server]
    namespace: str = "default"
    forwarder: str | None = None

    def dns_name(self, service: str) -> str:
        """What DNS calls a Service there."""
        return f"{service}.{self.namespace}.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Beside:
    """What there is when something is started beside a client: `address` is what the strategy gave for it."""

    cluster: Cluster
    pods: Sequence[Pod]
    place: Place
    wire: Wire
    address: str


class Strategy(Protocol):
    """A way to call the pods of the lab's Service `echo`, as the client objects that a service would make."""

    l4: bool
    """Whether the kernel picks, per connection, rather than the client, per request."""

    needs_dns: bool
    """Whether it can only call a name: then there is no such arm where the lab has no DNS."""

    follows_s: float | None = None
    """Seconds within which its clients use a new pod and let go of one that leaves; None if they hear of neither."""

    is_ours: bool = False
    """Whether its clients call through `discovery`, which tries again elsewhere what may be tried again."""

    watches_api: bool = False
    """Whether it is the API server that its clients hear from, directly."""

    takes_policy: bool = True
    """Whether its client, where it picks, picks by the policy that it is told."""

    pod_arguments: tuple[str, ...] = ()
    """Options of services.provider that it needs: then its arms have pods of their own."""

    def modes(self, wire: Wire) -> tuple[Mode, ...]:
        """The ways to use connections that make a difference here; none for a protocol that it does not serve."""

    def missing(self) -> str | None:
        """Why it cannot run here, in one line that names the extra where it is one; None if it can."""
        return None

    def beside(self, stage: Beside) -> AbstractAsyncContextManager[str]:
        """Run what the client needs beside it, for as long as it runs; gives the address that the client is told."""
        return nullcontext(stage.address)

    def address(self, wire: Wire, place: Place) -> str:
        """Where to call, as text for another process."""

    def address_in_cluster(self, wire: Wire, place: Place) -> str | None:
        """The same for a pod of a real cluster that has `k8s/base`; None where more is needed than that has."""
        return self.address(wire, place)

    def client(self, way: Way) -> httpx.Client: ...

    def asyncio_client(self, way: Way) -> httpx.AsyncClient: ...

    def channel(self, way: Way) -> grpc.Channel: ...

    def asyncio_channel(self, way: Way) -> grpc.aio.Channel: ...


def names() -> tuple[str, ...]:
    """Every strategy there is, found without importing any."""
    return tuple(
        sorted(
            module.name.replace("__", "+").replace("_", "-")
            for module in pkgutil.iter_modules(__path__)
            if not module.name.startswith("_")
        )
    )


def find(name: str) -> Strategy:
    """The strategy of that name; a target (it has `://`) is one that calls through `discovery` as it stands."""
    if "://" in name:
        from benchmarks.strategies._through_discovery import Verbatim  # noqa: PLC0415 - names() must stay cheap

        return Verbatim(name)
    module = importlib.import_module(f"{__name__}.{name.replace('+', '__').replace('-', '_')}")
    strategy: Strategy = module.STRATEGY
    return strategy
