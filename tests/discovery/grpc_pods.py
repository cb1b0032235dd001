"""Real gRPC servers, and clients of either kind behind one face."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2_grpc

import discovery.grpc
from discovery import Endpoint, State
from protos import echo_pb2, echo_pb2_grpc

Request = echo_pb2.EchoRequest


class Echo(echo_pb2_grpc.EchoServicer):
    """Answers with its name; "wait" answers when the test says so, "fail" not at all. Counts what it has begun.

    refuses  while it is set, every request gets this status
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.refuses: grpc.StatusCode | None = None
        self.begun: collections.Counter[str] = collections.Counter()
        self.go_on = threading.Event()
        self.waiting = threading.Semaphore(0)

    def reply(self, message: str, context: grpc.ServicerContext) -> echo_pb2.EchoReply:
        self.begun[message] += 1
        if message == "wait":
            self.waiting.release()
            self.go_on.wait()
        if self.refuses is not None:
            context.abort(self.refuses, "not now")
        if message == "fail":
            context.abort(grpc.StatusCode.UNAVAILABLE, "the application says so")
        return echo_pb2.EchoReply(message=message, pod=self.name)

    def Echo(self, request: Any, context: Any) -> echo_pb2.EchoReply:  # noqa: N802
        return self.reply(request.message, context)

    def EchoServerStream(self, request: Any, context: Any) -> Iterator[echo_pb2.EchoReply]:  # noqa: N802
        yield self.reply("first", context)
        for _ in range(1, request.replies):
            yield self.reply(request.message, context)

    def EchoClientStream(self, request_iterator: Any, context: Any) -> echo_pb2.EchoReply:  # noqa: N802
        return self.reply("+".join(request.message for request in request_iterator), context)

    def EchoBidirectional(self, request_iterator: Any, context: Any) -> Iterator[echo_pb2.EchoReply]:  # noqa: N802
        for request in request_iterator:
            yield self.reply(request.message, context)


class Pod:
    """A running server.

    port  0 takes a free one
    """

    def __init__(
        self,
        name: str,
        *,
        port: int = 0,
        tls: grpc.ServerCredentials | None = None,
        options: tuple[Any, ...] = (),
        health: Any = None,
    ) -> None:
        self.echo = Echo(name)
        self.health = health
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0), *options])
        echo_pb2_grpc.add_EchoServicer_to_server(self.echo, self.server)
        if health is not None:
            health_pb2_grpc.add_HealthServicer_to_server(health, self.server)
        address = f"127.0.0.1:{port}"
        bound = self.server.add_secure_port(address, tls) if tls else self.server.add_insecure_port(address)
        self.endpoint = Endpoint("127.0.0.1", bound, name)
        self.server.start()

    def stop(self) -> None:
        self.echo.go_on.set()
        self.server.stop(None).wait()


class Client:
    """A stub on a channel of either kind behind one asyncio face, so that each test is written once."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.stub: Any = echo_pb2_grpc.EchoStub(channel)
        self.balancer = channel._balancer
        self._is_aio = isinstance(channel, aio.Channel)

    async def echo(self, message: str = "hi", timeout: float | None = 30.0, **options: Any) -> Any:
        if self._is_aio:
            return await self.stub.Echo(Request(message=message), timeout=timeout, **options)
        call = self.stub.Echo.with_call(Request(message=message), timeout=timeout, **options)
        return call[0]

    async def stream(self, message: str = "hi", replies: int = 3) -> AsyncIterator[Any]:
        call = self.stub.EchoServerStream(Request(message=message, replies=replies), timeout=30)
        if self._is_aio:
            async for reply in call:
                yield reply
        else:
            for reply in call:
                yield reply

    async def pods(self, count: int) -> collections.Counter[str]:
        return collections.Counter([(await self.echo()).pod for _ in range(count)])

    async def ready(self, count: int) -> None:
        """Wait until so many endpoints are ready."""
        await self.until(lambda state: sum(each.ready for each in state.endpoints) == count)
        # A node says that it is ready a moment before the pool picks it, and a rotation would begin anew then.
        self.balancer._pool.changed()

    async def until(self, holds: Callable[[State], bool]) -> None:
        """Wait until the balancer's state is as wished."""
        changed = threading.Event()
        with self.balancer.listening(changed.set):
            if self._is_aio:
                self.channel.get_state(try_to_connect=True)
            else:
                self.balancer.start()
            while not holds(self.balancer.snapshot()):
                await asyncio.to_thread(changed.wait)
                changed.clear()


@contextlib.asynccontextmanager
async def client(kind: str, *pods: Pod, **options: Any) -> AsyncIterator[Client]:
    make: Any = {"sync": discovery.grpc.insecure_channel, "asyncio": discovery.grpc.aio.insecure_channel}[kind]
    if "credentials" in options:
        make = {"sync": discovery.grpc.secure_channel, "asyncio": discovery.grpc.aio.secure_channel}[kind]
    if pods:
        options["target"] = "static:///" + ",".join(pod.endpoint.address for pod in pods)
    if kind == "sync":
        with make(**options) as channel:
            yield Client(channel)
    else:
        async with make(**options) as channel:
            yield Client(channel)
