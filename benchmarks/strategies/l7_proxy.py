"""`l7-proxy`: stock httpx and grpcio on a sidecar, a real Envoy on loopback that picks a pod for each request.

As in a service mesh it is told of the pods by a control plane. What Envoy takes of the CPU is not in the client's.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import httpx

from benchmarks import mesh
from benchmarks.arm import Mode, Wire
from benchmarks.strategies import Beside, Place, Strategy, Way

CONNECTIONS = 1_000


class L7Proxy(Strategy):
    l4 = False
    needs_dns = False
    takes_policy = False
    follows_s = 0.25

    def modes(self, wire: Wire) -> tuple[Mode, ...]:  # noqa: ARG002 - Envoy keeps connections of its own
        return ("kept",)

    def address(self, wire: Wire, place: Place) -> str:  # noqa: ARG002
        return ""  # that of the sidecar, which is not there yet

    def address_in_cluster(self, wire: Wire, place: Place) -> None:
        """There is no sidecar."""

    def missing(self) -> str | None:
        return mesh.missing(proxy=True)

    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        services = {wire: f"echo.{stage.place.namespace}:{wire}" for wire in ("http", "grpc")}
        async with (
            mesh.control_plane(stage.cluster.kubeconfig) as xds,
            mesh.envoy(xds, list(services.values())) as listening,
        ):
            yield listening[services[stage.wire]]

    def client(self, way: Way) -> httpx.Client:
        return httpx.Client(base_url=f"http://{way.address}", limits=_LIMITS)

    def asyncio_client(self, way: Way) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{way.address}", limits=_LIMITS)

    def channel(self, way: Way) -> grpc.Channel:
        return grpc.insecure_channel(way.address)

    def asyncio_channel(self, way: Way) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(way.address)


# As many kept as open: httpcore counts busy connections as kept, and would close those above.
_LIMITS = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=60.0)

STRATEGY = L7Proxy()
