"""`service-dns+node-port`: a Service of type NodePort, called at the node's address, as from outside the cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.lab.network import NODE
from benchmarks.strategies import Beside
from benchmarks.strategies._service_variant import ServiceVariant
from benchmarks.strategies.service_dns import at


class NodePort(ServiceVariant):
    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        async with stage.cluster.further_service("echo-node-port", "echo", type="NodePort") as service:
            (port,) = (each["nodePort"] for each in service["spec"]["ports"] if each["name"] == stage.wire)
            yield at(stage.wire, f"{NODE.ip}:{port}")


STRATEGY = NodePort()
