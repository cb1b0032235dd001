"""How the consumer reaches the provider: a target and a policy, in place of an address.

Each function opens what lives as long as the service, and yields a call that answers who took it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

import discovery.grpc
import discovery.http
from protos.echo_pb2 import EchoRequest
from protos.echo_pb2_grpc import EchoStub

Answer = dict[str, str]
Call = Callable[[], Awaitable[Answer]]

TIMEOUT_S = 5.0


@asynccontextmanager
async def over_http(target: str, policy: str) -> AsyncIterator[Call]:
    """Call `GET /ping`; the call raises httpx.HTTPError."""
    transport = discovery.http.AsyncTransport(target, policy=policy, host="echo")
    async with httpx.AsyncClient(transport=transport, base_url="http://echo", timeout=TIMEOUT_S) as client:

        async def call() -> Answer:
            response = await client.get("/ping")
            answer: Answer = response.raise_for_status().json()
            return answer

        yield call


@asynccontextmanager
async def over_grpc(target: str, policy: str) -> AsyncIterator[Call]:
    """Call `echo.v1.Echo/Echo`; the call raises grpc.aio.AioRpcError."""
    async with discovery.grpc.aio.insecure_channel(target, policy=policy) as channel:
        echo = EchoStub(channel)

        async def call() -> Answer:
            reply = await echo.Echo(EchoRequest(), timeout=TIMEOUT_S)
            return {"pod": reply.pod, "node": reply.node, "zone": reply.zone, "peer": reply.peer}

        yield call
