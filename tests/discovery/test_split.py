"""Requests that are split over several ways, by weight and by header."""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import httpx
import pytest
from grpc import aio

import discovery.grpc
from discovery.http import AsyncSplitTransport, AsyncTransport, SplitTransport, Transport
from discovery.split import Split
from protos.echo_pb2 import EchoRequest
from protos.echo_pb2_grpc import EchoStub
from tests.discovery import grpc_pods, http_servers

TENTHS = [number / 10 + 0.05 for number in range(10)]


def no_header(name: str) -> None:
    return None


def in_turn() -> Any:
    """A die that shows each tenth in turn."""
    return itertools.cycle(TENTHS).__next__


def test_each_part_gets_its_weights_share() -> None:
    split = Split([(90, "v1"), (10, "v2"), (0, "v3")], random=in_turn())
    assert collections.Counter(split.choose(no_header) for _ in range(100)) == {"v1": 90, "v2": 10}


def test_a_header_goes_before_the_weights() -> None:
    split = Split([(1, "v1"), (0, "v2")], ("version", {"200": "v2"}))
    assert split.choose({"version": "200"}.get) == "v2"
    assert split.choose({"version": "201"}.get) == "v1"
    assert split.choose({"other": "200"}.get) == "v1"
    assert split.choose({"version": b"200"}.get) == "v1"


def test_a_part_that_is_in_several_places_is_one() -> None:
    one, two = object(), object()
    split = Split([(1, one), (1, two), (1, one)], ("version", {"1": one, "2": two}))
    assert split.parts == [one, two]
    made: list[object] = []

    def number(part: object) -> int:
        made.append(part)
        return id(part)

    mapped = split.map(number)
    assert made == [one, two]
    assert mapped.choose({"version": "2"}.get) == id(two)


@pytest.mark.parametrize(
    ("weighted", "header", "culprit"),
    [
        ([], None, "come to nothing"),
        ([(0, "v1")], None, "come to nothing"),
        ([(-1, "v1"), (5, "v2")], None, "'v1' is -1"),
        ([(0.5, "v1")], None, "whole number"),
        ([(1, "v1")], ("", {}), "no name"),
    ],
)
def test_what_makes_no_sense_is_refused(weighted: Any, header: Any, culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        Split(weighted, header)


@pytest.fixture
def web() -> Iterator[tuple[http_servers.Server, ...]]:
    with http_servers.servers(2) as pods:
        yield pods


@pytest.fixture
async def get(kind: str, web: tuple[http_servers.Server, ...]) -> AsyncIterator[Any]:
    """Asks for the pod that answers a request with these headers, by a sync or an asyncio client."""
    targets = [f"static:///{pod.endpoint.address}" for pod in web]
    if kind == "sync":
        v1, v2 = (Transport(target, host="orders") for target in targets)
        transport = SplitTransport([(90, v1), (10, v2)], header=("version", {"200": v2}), random=in_turn())
        with httpx.Client(transport=transport, base_url="http://orders") as client:

            async def ask(**headers: str) -> str:
                return _pod(client, headers)

            yield ask
            for part in (v1, v2):
                assert part._balancer.snapshot().source != "closed"
        assert {part._balancer.snapshot().source for part in (v1, v2)} == {"closed"}
    else:
        one, two = (AsyncTransport(target, host="orders") for target in targets)
        split = AsyncSplitTransport([(90, one), (10, two)], header=("version", {"200": two}), random=in_turn())
        async with httpx.AsyncClient(transport=split, base_url="http://orders") as asyncio_client:

            async def ask(**headers: str) -> str:
                return str((await asyncio_client.get("/", headers=headers)).json()["pod"])

            yield ask
        assert {part._balancer.snapshot().source for part in (one, two)} == {"closed"}


async def test_http_requests_are_split(get: Any, web: tuple[http_servers.Server, ...]) -> None:
    one, two = (pod.name for pod in web)
    assert collections.Counter([await get() for _ in range(20)]) == {one: 18, two: 2}
    assert {await get(version="200") for _ in range(5)} == {two}
    assert {await get(VERSION="200") for _ in range(5)} == {two}


def _pod(client: httpx.Client, headers: dict[str, str]) -> str:
    return str(client.get("/", headers=headers).json()["pod"])


@contextlib.asynccontextmanager
async def split_over(kind: str, pods: tuple[grpc_pods.Pod, ...]) -> AsyncIterator[Any]:
    targets = [f"static:///{pod.endpoint.address}" for pod in pods[:2]]
    if kind == "sync":
        v1, v2 = map(discovery.grpc.insecure_channel, targets)
        with discovery.grpc.split_channel(
            [(90, v1), (10, v2)], header=("Version", {"200": v2}), random=in_turn()
        ) as channel:
            yield channel
    else:
        one, two = map(discovery.grpc.aio.insecure_channel, targets)
        async with discovery.grpc.aio.split_channel(
            [(90, one), (10, two)], header=("Version", {"200": two}), random=in_turn()
        ) as aio_channel:
            yield aio_channel


async def reply(call: Any) -> Any:
    """What a call of either kind answers: a stream's first message."""
    if hasattr(call, "__aiter__"):
        return await anext(aiter(call))
    if hasattr(call, "__await__"):
        return await call
    return next(iter(call)) if hasattr(call, "__next__") else call


async def test_grpc_calls_are_split(kind: str, pods: tuple[grpc_pods.Pod, ...]) -> None:
    canary = (("version", "200"),)
    async with split_over(kind, pods) as channel:
        stub: Any = EchoStub(channel)
        seen = [(await reply(stub.Echo(EchoRequest(), timeout=30))).pod for _ in range(20)]
        assert collections.Counter(seen) == {"pod-0": 18, "pod-1": 2}
        for metadata in (canary, aio.Metadata(*canary)) if kind == "asyncio" else (canary,):
            assert (await reply(stub.Echo(EchoRequest(), timeout=30, metadata=metadata))).pod == "pod-1"
        assert (await reply(stub.EchoServerStream(EchoRequest(replies=1), 30, canary))).pod == "pod-1"
        if kind == "sync":
            assert stub.Echo.with_call(EchoRequest(), metadata=canary)[0].pod == "pod-1"
            assert stub.Echo.future(EchoRequest(), metadata=canary).result().pod == "pod-1"
            assert stub.EchoClientStream(iter([EchoRequest(message="a")]), metadata=canary).pod == "pod-1"
            assert next(stub.EchoBidirectional(iter([EchoRequest()]), metadata=canary)).pod == "pod-1"


def test_a_split_channel_is_ready_when_its_parts_are(pods: tuple[grpc_pods.Pod, ...]) -> None:
    v1, v2 = (grpc.insecure_channel(pod.endpoint.address) for pod in pods[:2])
    with discovery.grpc.split_channel([(1, v1), (1, v2)]) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)


async def test_an_asyncio_split_channel_is_ready_when_its_parts_are(pods: tuple[grpc_pods.Pod, ...]) -> None:
    v1, v2 = (aio.insecure_channel(pod.endpoint.address) for pod in pods[:2])
    async with discovery.grpc.aio.split_channel([(1, v1), (1, v2)]) as channel:
        assert channel.get_state(try_to_connect=True) is not grpc.ChannelConnectivity.READY
        await channel.channel_ready()
        assert channel.get_state() is grpc.ChannelConnectivity.READY
        pods[0].stop()
        await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
        assert channel.get_state() is not grpc.ChannelConnectivity.READY
