"""gRPC channels while their endpoints change: the scenarios of gRPC's own balancing tests, on real servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2

import discovery.grpc
from discovery import Balancing
from discovery.grpc import _health
from discovery.testing import ManualResolver
from protos.echo_pb2_grpc import EchoStub
from tests.discovery.grpc_pods import Client, Pod, Request, client


class Results(list[Any]):
    """What came of calls, as they end: pods' names, and errors."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def add(self, result: Any) -> None:
        self.append(result)
        self._more.set()

    @property
    def errors(self) -> list[Any]:
        return [each for each in self if isinstance(each, Exception)]

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._more.clear()
            await self._more.wait()

    async def more(self, count: int) -> None:
        """Wait for so many more."""
        count += len(self)
        await self.until(lambda: len(self) >= count)


@contextlib.asynccontextmanager
async def calling(kind: str, under_test: Client, workers: int = 4) -> AsyncIterator[Results]:
    """While the block runs, calls are made one after the other by so many workers."""
    results, over = Results(), False

    async def call() -> None:
        while not over:
            try:
                results.add((await _echo(kind, under_test)).pod)
            except grpc.RpcError as error:
                results.add(error)

    running = [asyncio.ensure_future(call()) for _ in range(workers)]
    try:
        yield results
    finally:
        over = True
        await asyncio.gather(*running)


async def _echo(kind: str, under_test: Client, message: str = "hi") -> Any:
    if kind == "sync":
        return await asyncio.to_thread(under_test.stub.Echo, Request(message=message), 30)
    return await under_test.echo(message)


async def test_all_backends_are_replaced(kind: str, pods: tuple[Pod, ...]) -> None:
    resolver = ManualResolver(pods[0].endpoint)
    async with client(kind, resolver=resolver) as under_test, calling(kind, under_test) as results:
        await results.more(20)
        resolver.update(pods[1].endpoint, pods[2].endpoint)
        await results.until(lambda: {"pod-1", "pod-2"} <= set(results))
        await results.more(10)
        results.clear()
        await results.more(50)
        assert set(results) == {"pod-1", "pod-2"}


async def test_empty_then_recovered(kind: str, pods: tuple[Pod, ...]) -> None:
    resolver = ManualResolver(pods[0].endpoint)
    async with client(kind, resolver=resolver) as under_test:
        await under_test.ready(1)
        resolver.update(note="all went home")
        await under_test.ready(0)
        with pytest.raises(grpc.RpcError, match="all went home"):
            await under_test.echo()
        resolver.update(pods[1].endpoint)
        await under_test.ready(1)
        assert (await under_test.echo()).pod == "pod-1"


async def test_a_thousand_shuffled_updates_under_load(kind: str, pods: tuple[Pod, ...]) -> None:
    chance = random.Random(7)
    resolver = ManualResolver(*(pod.endpoint for pod in pods))
    async with client(kind, resolver=resolver) as under_test:
        await under_test.ready(3)
        async with calling(kind, under_test) as results:
            for _ in range(1000):
                chosen = chance.sample(pods, chance.randint(1, 3))
                resolver.update(*(pod.endpoint for pod in chosen))
                await asyncio.sleep(0)
            await results.more(20)
        assert results.errors == []
        assert all(each.in_flight == 0 for each in under_test.balancer.snapshot().endpoints)


async def test_all_down_and_back_again(kind: str) -> None:
    started = [Pod(f"pod-{number}") for number in range(2)]
    async with client(kind, *started, policy="round_robin") as under_test:
        await under_test.ready(2)
        for pod in started:
            pod.stop()
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as raised:
                await under_test.echo()
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        back = [Pod(f"again-{number}", port=pod.endpoint.port) for number, pod in enumerate(started)]
        try:
            await under_test.ready(2)
            assert {(await under_test.echo()).pod for _ in range(4)} == {"again-0", "again-1"}
        finally:
            for pod in back:
                pod.stop()


async def test_a_server_that_ends_old_connections_costs_no_call(kind: str) -> None:
    options = (("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 5000))
    started = [Pod(f"pod-{number}", options=options) for number in range(2)]
    try:
        async with client(kind, *started) as under_test:
            await under_test.ready(2)
            async with calling(kind, under_test) as results, asyncio.timeout(60):
                await asyncio.sleep(1.0)  # ten times the age
            assert results.errors == []
            assert {"pod-0", "pod-1"} == set(results)
    finally:
        for pod in started:
            pod.stop()


async def test_an_endpoint_is_removed_with_a_call_in_flight(kind: str, pods: tuple[Pod, ...]) -> None:
    resolver = ManualResolver(pods[0].endpoint)
    async with client(kind, resolver=resolver) as under_test:
        await under_test.ready(1)
        waiting = asyncio.ensure_future(_echo(kind, under_test, "wait"))
        await asyncio.to_thread(pods[0].echo.waiting.acquire)
        resolver.update(pods[1].endpoint)
        while (await under_test.echo()).pod != "pod-1":
            pass
        pods[0].echo.go_on.set()
        assert (await waiting).pod == "pod-0"


async def test_a_drain_has_an_end(kind: str, pods: tuple[Pod, ...]) -> None:
    resolver = ManualResolver(pods[0].endpoint)
    async with client(kind, resolver=resolver, balancing=Balancing(drain_s=0.1)) as under_test:
        await under_test.ready(1)
        waiting = asyncio.ensure_future(_echo(kind, under_test, "wait"))
        await asyncio.to_thread(pods[0].echo.waiting.acquire)
        resolver.update(pods[1].endpoint)
        with pytest.raises((grpc.RpcError, asyncio.CancelledError)):
            await waiting
        assert (await under_test.echo()).pod == "pod-1"


@pytest.mark.parametrize("service", ["", "echo.v1.Echo"])
async def test_a_server_that_says_it_is_not_well_takes_no_call(
    kind: str, pods: tuple[Pod, ...], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_health, "INTERVAL_S", 0.01)
    sick, well = [Pod(name, port=0, health=health.HealthServicer()) for name in ("sick", "well")]
    for pod in (sick, well):
        assert pod.health is not None
        pod.health.set(service, health_pb2.HealthCheckResponse.SERVING)
    config = json.dumps({"healthCheckConfig": {"serviceName": service}})
    try:
        # The third pod has no health service, and counts as well.
        async with client(
            kind, sick, well, pods[0], options=[("grpc.service_config", config)], policy="round_robin"
        ) as under_test:
            await under_test.ready(3)
            assert await under_test.pods(9) == {"sick": 3, "well": 3, "pod-0": 3}
            sick.health.set(service, health_pb2.HealthCheckResponse.NOT_SERVING)
            await under_test.until(lambda state: any(each.sick for each in state.endpoints))
            assert await under_test.pods(8) == {"well": 4, "pod-0": 4}
            sick.health.set(service, health_pb2.HealthCheckResponse.SERVING)
            await under_test.until(lambda state: not any(each.sick for each in state.endpoints))
            assert (await under_test.pods(9))["sick"] == 3
    finally:
        sick.stop()
        well.stop()


def test_the_interceptors_of_a_sync_channel_see_each_call_once(pods: tuple[Pod, ...]) -> None:
    seen: list[str] = []

    class Watching(grpc.UnaryUnaryClientInterceptor):  # type: ignore[type-arg] # generic in the stubs alone
        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            seen.append(details.method)
            return continuation(details, request)

    with discovery.grpc.insecure_channel(f"static:///{pods[0].endpoint.address}") as channel:
        stub: Any = EchoStub(grpc.intercept_channel(channel, Watching()))
        assert stub.Echo(Request(message="a"), timeout=30).message == "a"
        assert stub.Echo.future(Request(message="b"), timeout=30).result().message == "b"
    assert seen == ["/echo.v1.Echo/Echo"] * 2


async def test_the_interceptors_of_an_asyncio_channel_are_run(pods: tuple[Pod, ...]) -> None:
    seen: list[bytes | str] = []

    class Watching(aio.UnaryUnaryClientInterceptor):  # type: ignore[type-arg] # generic in the stubs alone
        async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            seen.append(details.method)
            return await continuation(details, request)

    target = f"static:///{pods[0].endpoint.address}"
    async with discovery.grpc.aio.insecure_channel(target, interceptors=[Watching()]) as channel:
        stub: Any = EchoStub(channel)
        assert (await stub.Echo(Request(message="a"), timeout=30)).message == "a"
    assert len(seen) == 1


async def test_an_asyncio_channel_belongs_to_one_loop(pods: tuple[Pod, ...]) -> None:
    async with discovery.grpc.aio.insecure_channel(f"static:///{pods[0].endpoint.address}") as channel:
        stub: Any = EchoStub(channel)
        await stub.Echo(Request(), timeout=30)

        async def elsewhere() -> None:
            await stub.Echo(Request(), timeout=30)

        with pytest.raises(RuntimeError, match="belongs to another event loop: create one for each loop"):
            await asyncio.to_thread(asyncio.run, elsewhere())


async def test_metadata_compression_and_bytes_pass_through(kind: str, pods: tuple[Pod, ...]) -> None:
    async with client(kind, pods[0], compression=grpc.Compression.Gzip) as under_test:
        reply = await under_test.echo("x" * 1000, metadata=[("k", "v")], compression=grpc.Compression.Deflate)
        assert len(reply.message) == 1000
        raw = under_test.channel.unary_unary("/echo.v1.Echo/Echo")
        sent = Request(message="raw").SerializeToString()
        answer = raw(sent, timeout=30)
        assert b"raw" in (await answer if isinstance(answer, aio.Call) else answer)  # type: ignore[misc]
