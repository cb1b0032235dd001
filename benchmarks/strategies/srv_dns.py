"""`srv-dns`: client-side, the SRV records of a headless Service's port, looked up as often as their TTL allows."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.arm import Wire
from benchmarks.lab.cluster import Pod
from benchmarks.strategies import Beside
from benchmarks.strategies._headless import NAME, headless
from benchmarks.strategies._through_discovery import ThroughDiscovery


class SrvDns(ThroughDiscovery):
    needs_dns = True
    follows_s = 2.0
    base_url = f"http://{NAME}"

    def address(self, wire: Wire, pods: Sequence[Pod], forwarder: str | None) -> str:  # noqa: ARG002 - DNS knows them
        return f"srv:///_{wire}._tcp.{NAME}"

    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        async with headless(stage):
            yield stage.address


STRATEGY = SrvDns()
