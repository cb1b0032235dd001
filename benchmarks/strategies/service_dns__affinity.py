"""`service-dns+affinity`: with `sessionAffinity: ClientIP` a client gets one pod, for three hours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.strategies import Beside
from benchmarks.strategies._service_variant import ServiceVariant
from benchmarks.strategies.service_dns import at, named


class Affinity(ServiceVariant):
    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        async with stage.cluster.further_service("echo-affinity", "echo", sessionAffinity="ClientIP"):
            yield at(stage.wire, named(stage.wire, stage.place, "echo-affinity"))


STRATEGY = Affinity()
