"""The provider over gRPC: echo.v1.Echo, every reply telling who answered."""

from collections.abc import AsyncIterator
from typing import TypeAlias
from urllib.parse import unquote

import grpc

from protos.echo_pb2 import EchoReply, EchoRequest
from protos.echo_pb2_grpc import EchoServicer
from services.provider.identity import Identity
from services.provider.work import Work, WorkFailedError

Context: TypeAlias = "grpc.aio.ServicerContext[EchoRequest, EchoReply]"


class EchoService(EchoServicer):
    """All four kinds of call. Each is one piece of work, but in a bidirectional one every message is."""

    def __init__(self, identity: Identity, work: Work) -> None:
        self._identity = identity
        self._work = work

    async def Echo(self, request: EchoRequest, context: Context) -> EchoReply:  # noqa: N802 - named in echo.proto
        await self._do_work(context)
        return self._reply(request.message, context)

    async def EchoServerStream(  # noqa: N802
        self, request: EchoRequest, context: Context
    ) -> AsyncIterator[EchoReply]:
        await self._do_work(context)
        for _ in range(request.replies or 1):
            yield self._reply(request.message, context)

    async def EchoClientStream(  # noqa: N802
        self, requests: AsyncIterator[EchoRequest], context: Context
    ) -> EchoReply:
        messages = [request.message async for request in requests]
        await self._do_work(context)
        return self._reply("\n".join(messages), context)

    async def EchoBidirectional(  # noqa: N802
        self, requests: AsyncIterator[EchoRequest], context: Context
    ) -> AsyncIterator[EchoReply]:
        async for request in requests:
            await self._do_work(context)
            yield self._reply(request.message, context)

    async def _do_work(self, context: Context) -> None:
        try:
            await self._work.do()
        except WorkFailedError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

    def _reply(self, message: str, context: Context) -> EchoReply:
        # gRPC names a peer as a URI, "ipv4:10.0.0.1:4711" or "ipv6:%5B::1%5D:4711".
        peer = unquote(context.peer().partition(":")[2])
        who = self._identity
        return EchoReply(message=message, pod=who.pod, node=who.node, zone=who.zone, peer=peer)
