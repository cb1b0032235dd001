"""`headless-dns`: client-side, the addresses of a headless Service, looked up in DNS as often as their TTL allows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.arm import Wire
from benchmarks.lab.cluster import GRPC_PORT, HTTP_PORT
from benchmarks.strategies import Beside, Place, Way
from benchmarks.strategies._headless import NAME, headless
from benchmarks.strategies._through_discovery import ThroughDiscovery


class HeadlessDns(ThroughDiscovery):
    needs_dns = True
    follows_s = 2.0

    def base_url(self, way: Way) -> str:
        return f"http://{NAME}.{way.namespace}.svc.cluster.local"

    def address(self, wire: Wire, place: Place) -> str:
        return f"dns:///{place.dns_name(NAME)}:{HTTP_PORT if wire == 'http' else GRPC_PORT}"

    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        async with headless(stage):
            yield stage.address


STRATEGY = HeadlessDns()
