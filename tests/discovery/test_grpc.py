"""The grpc channels, sync and asyncio, on real servers."""

from __future__ import annotations

import asyncio
import collections
import queue
from collections.abc import AsyncIterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from grpc import aio

import discovery.grpc
from discovery.testing import ManualResolver
from protos import echo_pb2, echo_pb2_grpc
from tests.discovery.grpc_pods import Client, Echo, Pod, Request, client


async def test_every_call_is_balanced(kind: str, pods: tuple[Pod, ...]) -> None:
    async with client(kind, *pods, policy="round_robin") as under_test:
        await under_test.ready(3)
        assert await under_test.pods(30) == {"pod-0": 10, "pod-1": 10, "pod-2": 10}


async def test_every_stream_is_balanced(kind: str, pods: tuple[Pod, ...]) -> None:
    async with client(kind, *pods, policy="round_robin") as under_test:
        await under_test.ready(3)
        counted: collections.Counter[str] = collections.Counter()
        for _ in range(6):
            replies = [reply async for reply in under_test.stream()]
            assert [reply.message for reply in replies] == ["first", "hi", "hi"]
            counted[replies[0].pod] += len({reply.pod for reply in replies})
        assert counted == {"pod-0": 2, "pod-1": 2, "pod-2": 2}


async def test_the_first_call_waits_for_the_target_and_the_connection(kind: str, pods: tuple[Pod, ...]) -> None:
    async with client(kind, *pods) as under_test:
        assert (await under_test.echo()).pod in {"pod-0", "pod-1", "pod-2"}
    async with client(kind, *pods) as under_test:
        assert len([reply async for reply in under_test.stream()]) == 3


def test_sync_stubs_work_in_all_their_forms(pods: tuple[Pod, ...]) -> None:
    with discovery.grpc.insecure_channel(f"static:///{pods[0].endpoint.address}") as channel:
        stub: Any = echo_pb2_grpc.EchoStub(channel)
        assert stub.Echo(Request(message="a")).message == "a"
        assert stub.Echo.with_call(Request(message="a"))[1].code() is grpc.StatusCode.OK
        assert stub.Echo.future(Request(message="a")).result().message == "a"
        assert stub.EchoClientStream(iter([Request(message="a"), Request(message="b")])).message == "a+b"
        assert stub.EchoClientStream(request_iterator=iter([Request(message="a")]), timeout=30).message == "a"
        assert stub.Echo(Request(message="a"), 30, None, None, True, None).message == "a"
        assert stub.EchoClientStream.future(iter([Request(message="a")])).result().message == "a"
        assert [reply.message for reply in stub.EchoBidirectional(iter([Request(message="a")] * 2))] == ["a", "a"]


async def test_asyncio_stubs_work_before_and_after_there_is_an_endpoint(pods: tuple[Pod, ...]) -> None:
    async def requests() -> AsyncIterator[Any]:
        for message in ("a", "b"):
            yield Request(message=message)

    async with discovery.grpc.aio.insecure_channel(f"static:///{pods[0].endpoint.address}") as channel:
        stub: Any = echo_pb2_grpc.EchoStub(channel)
        for _ in ("pending", "ready"):
            unary = stub.Echo(Request(message="a"))
            replies = stub.EchoServerStream(Request(message="a", replies=2))
            gathered = stub.EchoClientStream(requests())
            both = stub.EchoBidirectional()
            assert isinstance(unary, aio.UnaryUnaryCall)
            assert isinstance(replies, aio.UnaryStreamCall)
            assert isinstance(gathered, aio.StreamUnaryCall)
            assert isinstance(both, aio.StreamStreamCall)
            ended: list[Any] = []
            unary.add_done_callback(ended.append)
            assert (await unary).message == "a"
            assert await unary.code() is grpc.StatusCode.OK
            assert (unary.done(), unary.cancelled(), ended) == (True, False, [unary])
            assert [reply.message async for reply in replies] == ["first", "a"]
            assert (await gathered).message == "a+b"
            await both.write(Request(message="x"))
            assert [await both.read()] == [echo_pb2.EchoReply(message="x", pod="pod-0")]
            await both.done_writing()
            assert await both.read() is aio.EOF  # type: ignore[attr-defined] # the stubs lack it
            assert await both.code() is grpc.StatusCode.OK


async def test_the_set_is_followed(kind: str, pods: tuple[Pod, ...]) -> None:
    resolver = ManualResolver(pods[0].endpoint)
    async with client(kind, resolver=resolver, policy="round_robin") as under_test:
        await under_test.ready(1)
        assert await under_test.pods(5) == {"pod-0": 5}
        resolver.update(*(pod.endpoint for pod in pods))
        await under_test.ready(3)
        assert await under_test.pods(9) == {"pod-0": 3, "pod-1": 3, "pod-2": 3}
        resolver.update(pods[1].endpoint)
        await under_test.ready(1)
        assert await under_test.pods(5) == {"pod-1": 5}


async def test_a_stream_in_flight_outlives_the_removal_of_its_endpoint(kind: str, pods: tuple[Pod, ...]) -> None:
    leaving, staying, _ = pods
    resolver = ManualResolver(leaving.endpoint)
    async with client(kind, resolver=resolver) as under_test:
        await under_test.ready(1)
        stream = under_test.stream("wait", replies=2)
        assert (await anext(stream)).pod == "pod-0"
        resolver.update(leaving.endpoint, staying.endpoint)
        await under_test.ready(2)
        resolver.update(staying.endpoint)
        await under_test.ready(1)
        assert await under_test.pods(5) == {"pod-1": 5}
        leaving.echo.go_on.set()
        assert [reply.pod async for reply in stream] == ["pod-0"]


async def test_traffic_goes_to_an_endpoint_only_once_it_is_connected(kind: str, pods: tuple[Pod, ...]) -> None:
    pods[0].stop()
    async with client(kind, *pods, policy="round_robin") as under_test:
        await under_test.ready(2)
        assert await under_test.pods(10) == {"pod-1": 5, "pod-2": 5}


async def test_when_nobody_can_be_reached_it_is_unavailable_and_says_so(kind: str, pods: tuple[Pod, ...]) -> None:
    pods[0].stop()
    async with client(kind, pods[0]) as under_test:
        with pytest.raises(grpc.RpcError) as raised:
            await under_test.echo()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "none of its 1 endpoints can be reached" in str(raised.value.details())
    assert "source ok, 1 endpoints" in str(raised.value.details())


async def test_an_empty_set_is_unavailable_at_once(kind: str) -> None:
    resolver = ManualResolver()
    resolver.update(note="nobody is ready")
    async with client(kind, resolver=resolver) as under_test:
        with pytest.raises(grpc.RpcError) as raised:
            await under_test.echo()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "nobody is ready" in str(raised.value.details())


async def test_the_deadline_holds_while_pending(kind: str) -> None:
    async with client(kind, resolver=ManualResolver()) as under_test:
        with pytest.raises(grpc.RpcError) as raised:
            await under_test.echo(timeout=0.05)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_cancelling_while_pending_ends_the_call() -> None:
    async with client("asyncio", resolver=ManualResolver()) as under_test:
        call = under_test.stub.Echo(Request())
        assert not call.done()
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert call.cancelled()
        assert await call.code() is grpc.StatusCode.CANCELLED
        awaiting = asyncio.ensure_future(under_test.echo(timeout=None))
        await asyncio.sleep(0)
        awaiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaiting


async def test_an_application_that_says_unavailable_stays_in_the_set(kind: str, pods: tuple[Pod, ...]) -> None:
    async with client(kind, pods[0]) as under_test:
        await under_test.ready(1)
        for _ in range(3):
            with pytest.raises(grpc.RpcError, match="the application says so"):
                await under_test.echo("fail")
        state = under_test.balancer.snapshot().endpoints[0]
        assert (state.ready, state.in_flight, state.failures) == (True, 0, 3)


async def test_a_pod_that_comes_back_is_used_again(kind: str, pods: tuple[Pod, ...]) -> None:
    async with client(kind, pods[0]) as under_test:
        await under_test.ready(1)
        pods[0].stop()
        with pytest.raises(grpc.RpcError):
            await under_test.echo()
        await under_test.ready(0)
        again = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        echo_pb2_grpc.add_EchoServicer_to_server(Echo("again"), again)
        again.add_insecure_port(pods[0].endpoint.address)
        again.start()
        try:
            await under_test.ready(1)
            assert (await under_test.echo()).pod == "again"
        finally:
            again.stop(None).wait()


async def test_in_flight_is_exact(kind: str, pods: tuple[Pod, ...]) -> None:
    async with client(kind, pods[0]) as under_test:
        await under_test.ready(1)
        waiting = [asyncio.ensure_future(_in_thread(kind, under_test)) for _ in range(4)]
        for _ in waiting:
            await asyncio.to_thread(pods[0].echo.waiting.acquire)
        assert under_test.balancer.snapshot().endpoints[0].in_flight == 4
        pods[0].echo.go_on.set()
        await asyncio.gather(*waiting)
        assert under_test.balancer.snapshot().endpoints[0].in_flight == 0


async def _in_thread(kind: str, under_test: Client) -> None:
    if kind == "sync":
        await asyncio.to_thread(under_test.stub.Echo, Request(message="wait"))
    else:
        await under_test.echo("wait")


def test_states_are_told_as_grpcs_own_channel_tells_them(pods: tuple[Pod, ...]) -> None:
    told: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
    channel = discovery.grpc.insecure_channel(f"static:///{pods[0].endpoint.address}")
    channel.subscribe(told.put)
    assert told.get() is grpc.ChannelConnectivity.IDLE
    grpc.channel_ready_future(channel).result(30)
    while (state := told.get()) is not grpc.ChannelConnectivity.READY:
        assert state is grpc.ChannelConnectivity.CONNECTING
    channel.close()
    assert told.get() is grpc.ChannelConnectivity.SHUTDOWN
    with pytest.raises(ValueError, match="closed channel"):
        channel.unary_unary("/echo.v1.Echo/Echo", Request.SerializeToString, echo_pb2.EchoReply.FromString)(Request())


async def test_asyncio_channels_have_states_too(pods: tuple[Pod, ...]) -> None:
    channel = discovery.grpc.aio.insecure_channel(f"static:///{pods[0].endpoint.address}")
    assert channel.get_state() is grpc.ChannelConnectivity.IDLE
    await channel.channel_ready()
    assert channel.get_state() is grpc.ChannelConnectivity.READY
    await channel.close(None)
    assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN
    with pytest.raises(aio.UsageError):
        await channel.channel_ready()
