"""`service-dns+external-name`: a Service of type ExternalName, an alias in DNS that leads to the Service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.strategies import Beside
from benchmarks.strategies._service_variant import ServiceVariant
from benchmarks.strategies.service_dns import at, named


class ExternalName(ServiceVariant):
    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        spec = {"type": "ExternalName", "externalName": stage.place.dns_name("echo")}
        async with stage.cluster.further_service("echo-alias", "echo", **spec):
            yield at(stage.wire, named(stage.wire, stage.place, "echo-alias"))


STRATEGY = ExternalName()
