"""`headless-dns`: client-side, the addresses of a headless Service, looked up in DNS as often as their TTL allows."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.arm import Wire
from benchmarks.lab.cluster import GRPC_PORT, HTTP_PORT, Pod
from benchmarks.strategies import Beside
from benchmarks.strategies._headless import NAME, headless
from benchmarks.strategies._through_discovery import ThroughDiscovery


class HeadlessDns(ThroughDiscovery):
    needs_dns = True
    follows_s = 2.0
    base_url = f"http://{NAME}"

    def address(self, wire: Wire, pods: Sequence[Pod], forwarder: str | None) -> str:  # noqa: ARG002 - DNS knows them
        return f"dns:///{NAME}:{HTTP_PORT if wire == 'http' else GRPC_PORT}"

    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        async with headless(stage):
            yield stage.address


STRATEGY = HeadlessDns()
