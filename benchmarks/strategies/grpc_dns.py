"""`grpc-dns`: grpc's own `dns:///` on a headless Service, with its round_robin.

It looks the name up again only when a connection breaks, and at most every 30 s.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.arm import Wire
from benchmarks.lab.cluster import GRPC_PORT
from benchmarks.strategies import Beside, Place
from benchmarks.strategies._grpc_round_robin import GrpcRoundRobin
from benchmarks.strategies._headless import NAME, headless


class GrpcDns(GrpcRoundRobin):
    needs_dns = True

    def address(self, wire: Wire, place: Place) -> str:  # noqa: ARG002 - gRPC alone
        return f"dns:///{place.dns_name(NAME)}.:{GRPC_PORT}"

    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        async with headless(stage):
            yield stage.address


STRATEGY = GrpcDns()
