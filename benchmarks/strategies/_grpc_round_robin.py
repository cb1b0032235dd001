"""What the strategies have in common that leave it all to grpc: its own resolvers, and its round_robin."""

import json
from typing import NoReturn

import grpc
import grpc.aio

from benchmarks.arm import Mode, Wire
from benchmarks.strategies import Strategy, Way

_OPTIONS = [("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}))]


class GrpcRoundRobin(Strategy):
    """Stock channels on whatever the address says."""

    l4 = False
    needs_dns = False
    takes_policy = False

    def modes(self, wire: Wire) -> tuple[Mode, ...]:
        return ("kept",) if wire == "grpc" else ()

    def client(self, way: Way) -> NoReturn:
        raise NotImplementedError("these names are gRPC's alone")

    def asyncio_client(self, way: Way) -> NoReturn:
        raise NotImplementedError("these names are gRPC's alone")

    def channel(self, way: Way) -> grpc.Channel:
        return grpc.insecure_channel(way.address, _OPTIONS)

    def asyncio_channel(self, way: Way) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(way.address, _OPTIONS)
