"""The ways to call over gRPC: grpc's own channels, and ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import grpc
import grpc.aio

import discovery.grpc
import discovery.grpc.aio
from benchmarks.overheads.ways import AGAIN, TIMEOUT_S, Addresses, Way, Ways
from protos.echo_pb2 import EchoReply, EchoRequest
from protos.echo_pb2_grpc import EchoStub

_ROUND_ROBIN = [("grpc.service_config", '{"loadBalancingConfig":[{"round_robin":{}}]}')]


def _call(channel: grpc.Channel | grpc.aio.Channel) -> Callable[[], Any]:
    return partial(EchoStub(channel).Echo, EchoRequest(message="hello"), timeout=TIMEOUT_S)


@contextmanager
def _native(addresses: Addresses) -> Iterator[Callable[[], Any]]:
    with grpc.insecure_channel(f"ipv4:{','.join(addresses)}", _ROUND_ROBIN) as channel:
        yield _call(channel)


@asynccontextmanager
async def _native_asyncio(addresses: Addresses) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    async with grpc.aio.insecure_channel(f"ipv4:{','.join(addresses)}", _ROUND_ROBIN) as channel:
        yield _call(channel)


@contextmanager
def _single(addresses: Addresses) -> Iterator[Callable[[], Any]]:
    with grpc.insecure_channel(addresses[0]) as channel:
        yield _call(channel)


@asynccontextmanager
async def _single_asyncio(addresses: Addresses) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    async with grpc.aio.insecure_channel(addresses[0]) as channel:
        yield _call(channel)


def _discovery(policy: str) -> Way:
    @contextmanager
    def sync(addresses: Addresses) -> Iterator[Callable[[], Any]]:
        with discovery.grpc.insecure_channel(f"static:///{','.join(addresses)}", policy=policy) as channel:
            yield _call(channel)

    @asynccontextmanager
    async def asyncio(addresses: Addresses) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
        async with discovery.grpc.aio.insecure_channel(f"static:///{','.join(addresses)}", policy=policy) as channel:
            yield _call(channel)

    return Way(sync, asyncio)


def _pod(reply: EchoReply) -> str:
    return reply.pod


NATIVE = "grpc's round_robin"
ROUND_ROBIN, LEAST_REQUEST = "discovery, round_robin", "discovery, least_request"

WAYS = Ways(
    {
        NATIVE: Way(_native, _native_asyncio),
        AGAIN: Way(_native, _native_asyncio),
        ROUND_ROBIN: _discovery("round_robin"),
        LEAST_REQUEST: _discovery("least_request"),
        "grpc, one backend": Way(_single, _single_asyncio, spreads=False),
    },
    _pod,
    (grpc.RpcError,),
)
