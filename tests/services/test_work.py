"""Latency, the bound and failures, in process: the test decides how long work takes, so it knows what overlaps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import httpx
import pytest

from protos.echo_pb2 import EchoReply, EchoRequest
from protos.echo_pb2_grpc import EchoStub
from services.provider.entry import Entry
from services.provider.grpc_service import EchoService
from services.provider.http_app import http_app
from services.provider.identity import Identity
from services.provider.servers import grpc_server
from services.provider.work import Work, WorkFailedError


class Gate:
    """Stands in for `asyncio.sleep`: whoever comes to sleep stays until one is let through."""

    def __init__(self) -> None:
        self.inside = 0
        self.most_inside = 0
        self.slept_s: list[float] = []
        self._permits = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await self._permits.acquire()
        finally:
            self.inside -= 1

    def let_through(self) -> None:
        self._permits.release()


class ToldWork(Work):
    """Work that tells of each call that has come, whether it has a slot or queues for one."""

    def __init__(self, gate: Gate, *, concurrency: int) -> None:
        super().__init__(latency_s=0.005, concurrency=concurrency, sleep=gate.sleep)
        self._came = asyncio.Semaphore(0)

    async def do(self) -> None:
        self._came.release()
        await super().do()

    async def have_come(self, count: int) -> None:
        for _ in range(count):
            await self._came.acquire()


@asynccontextmanager
async def serving(work: Work) -> AsyncIterator[tuple[httpx.AsyncClient, EchoStub]]:
    who = Identity(pod="echo-0", node="node-a", zone="zone-a")
    over_grpc = await grpc_server(EchoService(who, work), host="127.0.0.1", port=0)
    await over_grpc.server.start()
    app = httpx.ASGITransport(http_app(who, work, asyncio.Event(), Entry(who, "10.0.0.1", {}, ttl_s=10)))
    try:
        async with (
            httpx.AsyncClient(transport=app, base_url="http://echo") as http,
            grpc.aio.insecure_channel(f"127.0.0.1:{over_grpc.port}") as channel,
        ):
            yield http, EchoStub(channel)
    finally:
        await over_grpc.server.stop(None)


async def test_http_and_grpc_share_one_bound() -> None:
    gate = Gate()
    work = ToldWork(gate, concurrency=2)

    async with serving(work) as (http, echo), asyncio.TaskGroup() as tasks:

        async def ping() -> str:
            pod: str = (await http.get("/ping")).json()["pod"]
            return pod

        async def call() -> str:
            reply: EchoReply = await echo.Echo(EchoRequest())
            return reply.pod

        calls = [tasks.create_task(kind()) for kind in (ping, call, ping, call, ping, call)]
        await work.have_come(6)
        assert gate.inside == 2
        assert (await http.get("/healthz")).text == "ok"
        for _ in calls:
            gate.let_through()

    assert [task.result() for task in calls] == ["echo-0"] * 6
    assert gate.most_inside == 2
    assert gate.slept_s == [0.005] * 6


async def test_without_a_bound_all_are_worked_on_at_once() -> None:
    gate = Gate()
    work = ToldWork(gate, concurrency=0)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(work.do())
        await work.have_come(5)
        assert gate.inside == 5
        for _ in range(5):
            gate.let_through()


async def test_a_caller_that_gives_up_frees_its_place() -> None:
    gate = Gate()
    work = ToldWork(gate, concurrency=1)
    worked_on, queued, last = (asyncio.create_task(work.do()) for _ in range(3))
    await work.have_come(3)
    for task in (queued, worked_on):
        task.cancel()
        await asyncio.wait([task])
    gate.let_through()
    await last
    assert worked_on.cancelled()
    assert queued.cancelled()


async def test_a_share_of_the_calls_fails() -> None:
    draws = iter([0.0, 0.249, 0.25, 0.999])
    work = Work(fail_ratio=0.25, uniform=draws.__next__)
    for _ in range(2):
        with pytest.raises(WorkFailedError, match="--fail-ratio"):
            await work.do()
    for _ in range(2):
        await work.do()


async def test_every_message_of_a_bidirectional_call_is_work() -> None:
    gate = Gate()
    work = ToldWork(gate, concurrency=1)
    async with serving(work) as (_, echo):
        stream = echo.EchoBidirectional()
        for message in ("a", "b"):
            await stream.write(EchoRequest(message=message))
            await work.have_come(1)
            gate.let_through()
            reply = await stream.read()
            assert reply.message == message
        await stream.done_writing()
        assert not await stream.read(), "the end of the stream is false"
    assert len(gate.slept_s) == 2
