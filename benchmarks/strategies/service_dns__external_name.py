"""`service-dns+external-name`: a Service of type ExternalName, an alias in DNS that leads to the Service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.strategies import Beside
from benchmarks.strategies._service_variant import ServiceVariant, named

_ALIASED = "echo.default.svc.cluster.local"


class ExternalName(ServiceVariant):
    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        async with stage.cluster.further_service("echo-alias", "echo", type="ExternalName", externalName=_ALIASED):
            yield named(stage.wire, "echo-alias")


STRATEGY = ExternalName()
