"""What the strategies have in common whose clients pick through `discovery`: they differ in the target alone."""

from __future__ import annotations

from abc import abstractmethod

import grpc
import grpc.aio
import httpx

import discovery.grpc
import discovery.grpc.aio
from benchmarks.arm import Mode, Wire
from benchmarks.strategies import Place, Strategy, Way
from discovery.http import AsyncTransport, Transport
from discovery.model import Target


class ThroughDiscovery(Strategy):
    """Clients on `discovery`, given a target."""

    l4 = False
    needs_dns = False
    is_ours = True

    def modes(self, wire: Wire) -> tuple[Mode, ...]:  # noqa: ARG002 - picks do not depend on connections
        return ("kept",)

    @abstractmethod
    def address(self, wire: Wire, place: Place) -> str:
        """The target."""

    def base_url(self, way: Way) -> str:
        """By a name of the Service, which is the one host that a transport serves."""
        return f"http://echo.{way.namespace}"

    def client(self, way: Way) -> httpx.Client:
        return httpx.Client(transport=Transport(way.address, policy=way.policy), base_url=self.base_url(way))

    def asyncio_client(self, way: Way) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=AsyncTransport(way.address, policy=way.policy), base_url=self.base_url(way))

    def channel(self, way: Way) -> grpc.Channel:
        return discovery.grpc.insecure_channel(way.address, policy=way.policy)

    def asyncio_channel(self, way: Way) -> grpc.aio.Channel:
        return discovery.grpc.aio.insecure_channel(way.address, policy=way.policy)


class Verbatim(ThroughDiscovery):
    """Whatever target the command line gives."""

    def __init__(self, target: str) -> None:
        self._target = target
        # One virtual endpoint, named: what picks among the pods is the kernel.
        scheme = Target.parse(target).scheme
        self.l4 = self.needs_dns = scheme == "service"
        self.is_ours = not self.l4
        self.watches_api = scheme == "kubernetes"

    def address(self, wire: Wire, place: Place) -> str:  # noqa: ARG002 - the target says it all
        return self._target
