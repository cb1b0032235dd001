"""`grpc-xds`: stock grpcio on `xds:///`, told of the pods by a control plane that watches the EndpointSlices.

gRPC alone: nothing of the kind is made for HTTP.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import grpc
import grpc.aio

from benchmarks import mesh
from benchmarks.arm import Mode, Wire
from benchmarks.strategies import Beside, Place, Strategy, Way


class GrpcXds(Strategy):
    l4 = False
    needs_dns = False
    takes_policy = False
    follows_s = 0.25

    def modes(self, wire: Wire) -> tuple[Mode, ...]:
        return ("kept",) if wire == "grpc" else ()

    def address(self, wire: Wire, place: Place) -> str:  # noqa: ARG002
        return ""  # that of the control plane, which is not there yet

    def address_in_cluster(self, wire: Wire, place: Place) -> str:  # noqa: ARG002 - gRPC alone
        return f"xds.{place.namespace}:18000"

    def missing(self) -> str | None:
        return mesh.missing(proxy=False)

    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        # Zones are not what is compared, and gRPC would throw dice among them.
        async with mesh.control_plane(stage.cluster.kubeconfig, "--no-zones") as address:
            yield address

    def client(self, way: Way) -> NoReturn:
        raise NotImplementedError("xds: is gRPC's alone")

    def asyncio_client(self, way: Way) -> NoReturn:
        raise NotImplementedError("xds: is gRPC's alone")

    def channel(self, way: Way) -> grpc.Channel:
        _introduce(way.address)
        return grpc.insecure_channel(_target(way))

    def asyncio_channel(self, way: Way) -> grpc.aio.Channel:
        _introduce(way.address)
        return grpc.aio.insecure_channel(_target(way))


def _target(way: Way) -> str:
    return f"xds:///echo.{way.namespace}:grpc"


def _introduce(address: str) -> None:
    """Where gRPC looks when a process makes its first `xds:` channel."""
    from discovery.xds import grpc_bootstrap  # noqa: PLC0415 - of an extra

    os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = grpc_bootstrap(address, node="client")


STRATEGY = GrpcXds()
