"""What each process does: the control plane, and a share of its clients."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from grpc import aio

from benchmarks.xds.process import allow_files, held, lines, tell
from discovery import Endpoint
from discovery.testing import ManualResolver
from discovery.xds import Server

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
_ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
_SERVICE = "many"
_AT_ONCE = 50


async def serve(count: int) -> None:
    """A Service of so many endpoints; `change` replaces one of them, and tells when; `held` tells what it has."""
    allow_files()
    endpoints = [Endpoint(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 8082, zone=f"zone-{n % 3}") for n in range(count)]
    resolver = ManualResolver(*endpoints)
    async with Server(resolve=lambda _: resolver, drain_s=0) as server:
        tell(server.address)
        said = await lines()
        changes = 0
        while line := (await said.readline()).decode().strip():
            if line == "held":
                tell({**held(), "streams": server.streams, "watches": len(server.watched)})
                continue
            changes += 1
            endpoints[changes % count] = Endpoint(f"10.255.{changes >> 8}.{changes & 255}", 8082, zone="zone-0")
            tell(time.monotonic())
            resolver.update(*endpoints)


async def subscribe(address: str, count: int) -> None:
    """So many streams, a connection each; tells of each set of endpoints when the last of them has it."""
    allow_files()
    seen: dict[int, int] = {}
    opening = asyncio.Semaphore(_AT_ONCE)

    async def follow(number: int) -> None:
        async with aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            method: Any = channel.stream_stream(
                _METHOD, DiscoveryRequest.SerializeToString, DiscoveryResponse.FromString
            )
            call = method()
            request: Any = DiscoveryRequest(
                type_url=_ENDPOINTS, resource_names=[_SERVICE], node=Node(id=f"client-{number}")
            )
            sets = 0
            async with opening:
                await call.write(request)
                response = await call.read()
            while True:
                sets += 1
                seen[sets] = seen.get(sets, 0) + 1
                if seen[sets] == count:
                    tell(time.monotonic())
                request.response_nonce, request.version_info = response.nonce, response.version_info
                await call.write(request)
                response = await call.read()

    streams = [asyncio.create_task(follow(number)) for number in range(count)]
    await asyncio.wait(streams, return_when=asyncio.FIRST_COMPLETED)
    raise RuntimeError("a stream ended")
