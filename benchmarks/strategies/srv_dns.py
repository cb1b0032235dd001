"""`srv-dns`: client-side, the SRV records of a headless Service's port, looked up as often as their TTL allows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.arm import Wire
from benchmarks.strategies import Beside, Place, Way
from benchmarks.strategies._headless import NAME, headless
from benchmarks.strategies._through_discovery import ThroughDiscovery


class SrvDns(ThroughDiscovery):
    needs_dns = True
    follows_s = 2.0

    def base_url(self, way: Way) -> str:
        return f"http://{NAME}.{way.namespace}.svc.cluster.local"

    def address(self, wire: Wire, place: Place) -> str:
        return f"srv:///_{wire}._tcp.{place.dns_name(NAME)}"

    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        async with headless(stage):
            yield stage.address


STRATEGY = SrvDns()
