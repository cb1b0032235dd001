"""One call, over HTTP or gRPC, sync or asyncio, alike for every strategy; it returns the pod that answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import grpc
import grpc.aio
import httpx

from benchmarks.arm import Wire
from benchmarks.load import CallError
from benchmarks.strategies import Strategy, Way
from protos.echo_pb2 import EchoRequest
from protos.echo_pb2_grpc import EchoStub


@contextmanager
def calls(strategy: Strategy, wire: Wire, way: Way, timeout_s: float) -> Iterator[Callable[[], str]]:
    """A sync client of the strategy, as a function that makes a call and raises CallError where it fails."""
    if wire == "http":
        with strategy.client(way) as client:
            yield lambda: _ping(client, timeout_s)
    else:
        with strategy.channel(way) as channel:
            stub = _stub(channel)
            yield lambda: _echo(stub, timeout_s)


@asynccontextmanager
async def asyncio_calls(
    strategy: Strategy, wire: Wire, way: Way, timeout_s: float
) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """An asyncio client of the strategy; the rest is as in `calls`."""
    if wire == "http":
        async with strategy.asyncio_client(way) as client:
            yield lambda: _ping_asyncio(client, timeout_s)
    else:
        async with strategy.asyncio_channel(way) as channel:
            stub = _stub(channel)
            yield lambda: _echo_asyncio(stub, timeout_s)


def _ping(client: httpx.Client, timeout_s: float) -> str:
    try:
        return _pod(client.get("/ping", timeout=timeout_s))
    except httpx.HTTPError as error:
        raise CallError(type(error).__name__) from error


async def _ping_asyncio(client: httpx.AsyncClient, timeout_s: float) -> str:
    try:
        return _pod(await client.get("/ping", timeout=timeout_s))
    except httpx.HTTPError as error:
        raise CallError(type(error).__name__) from error


def _pod(response: httpx.Response) -> str:
    if response.status_code != httpx.codes.OK:
        raise CallError(str(response.status_code))
    pod: str = response.json()["pod"]
    return pod


def _stub(channel: grpc.Channel | grpc.aio.Channel) -> EchoStub:
    return EchoStub(channel)


def _echo(stub: EchoStub, timeout_s: float) -> str:
    try:
        pod: str = stub.Echo(EchoRequest(), timeout=timeout_s).pod
    except grpc.RpcError as error:
        raise CallError(error.code().name) from error
    return pod


async def _echo_asyncio(stub: EchoStub, timeout_s: float) -> str:
    try:
        pod: str = (await stub.Echo(EchoRequest(), timeout=timeout_s)).pod
    except grpc.RpcError as error:
        raise CallError(error.code().name) from error
    return pod
