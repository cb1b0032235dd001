"""A raw ADS client, and a control plane whose Services the test makes up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from envoy.config.core.v3.base_pb2 import Node
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.service.discovery.v3.ads_pb2_grpc import AggregatedDiscoveryServiceStub
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from google.rpc.status_pb2 import Status
from grpc import aio

from discovery import Endpoint, InvalidTarget, Resolver
from discovery.testing import ManualResolver
from discovery.xds._resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES

__all__ = ["CLUSTER", "ENDPOINTS", "LISTENER", "ROUTES", "Client", "Services", "client", "hosts"]


class Services(dict[str, ManualResolver]):
    """Resolvers by name; counts how often each was asked for."""

    def __init__(self, **endpoints: tuple[Endpoint, ...]) -> None:
        super().__init__({name: ManualResolver(*each) for name, each in endpoints.items()})
        self.made: list[str] = []

    def __call__(self, name: str) -> Resolver:
        if name not in self:
            raise InvalidTarget(f"{name!r} is not the name of a Service")
        self.made.append(name)
        return self[name]


class Client:
    """One ADS stream. Acknowledges nothing by itself."""

    def __init__(self, stub: Any, node: str) -> None:
        self._call = stub.StreamAggregatedResources()
        self._node: Any = Node(id=node, user_agent_name="raw")
        self.last: dict[str, Any] = {}

    def listens(self, **listeners: str) -> None:
        """Be a sidecar that listens so; before the first request."""
        self._node.metadata.update({"listeners": listeners})

    async def ask(self, kind: str, *names: str) -> None:
        """Ask for these names, and so acknowledge what came last."""
        await self._send(kind, names)

    async def refuse(self, kind: str, *names: str, why: str) -> None:
        await self._send(kind, names, error_detail=Status(message=why))

    async def _send(self, kind: str, names: tuple[str, ...], **more: Any) -> None:
        last = self.last.get(kind)
        request: Any = DiscoveryRequest(type_url=kind, resource_names=names, node=self._node, **more)
        if last is not None:
            request.response_nonce, request.version_info = last.nonce, last.version_info
        await self._call.write(request)

    async def read(self) -> Any:
        """The next response."""
        response = await self._call.read()
        assert response != aio.EOF  # type: ignore[attr-defined] # its stubs lack it
        self.last[response.type_url] = response
        return response

    async def endpoints(self, *names: str) -> Any:
        """Ask for the endpoints of Services, and read one answer."""
        await self.ask(ENDPOINTS, *names)
        return await self.read()

    async def waits(self) -> bool:
        """Whether nothing has been sent, by the time at which the answer to a later question is here."""
        await self.ask(ROUTES, f"routes-{id(object())}")
        return bool((await self.read()).type_url == ROUTES)


def hosts(response: Any) -> dict[str, set[str]]:
    """The hosts of each assignment in a response that may take requests."""
    found: dict[str, set[str]] = {}
    for packed in response.resources:
        made: Any = ClusterLoadAssignment()
        assert packed.Unpack(made)
        found[made.cluster_name] = {
            each.endpoint.address.socket_address.address
            for locality in made.endpoints
            for each in locality.lb_endpoints
            if each.health_status == 1
        }
    return found


@contextlib.asynccontextmanager
async def client(address: str, node: str = "test", **options: int) -> AsyncIterator[Client]:
    given = [("grpc.use_local_subchannel_pool", 1), *((f"grpc.{name}", value) for name, value in options.items())]
    async with aio.insecure_channel(address, given) as channel:
        made = Client(AggregatedDiscoveryServiceStub(channel), node)
        yield made
        made._call.cancel()
        await asyncio.sleep(0)
