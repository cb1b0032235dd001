"""The provider as a process: what it answers, and how it leaves."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import httpx
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from discovery import registry
from discovery.testing._resolver_contract import followed
from protos.echo_pb2 import EchoRequest
from protos.echo_pb2_grpc import EchoStub
from services.provider.__main__ import parse
from services.provider.identity import Identity
from services.provider.servers import listen
from tests.services.conftest import Provider, Spawn, StartProvider

AN_HOUR_MS = "3600000"
ECHO = HealthCheckRequest(service="echo.v1.Echo")
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def clients(pod: Provider) -> AsyncIterator[tuple[httpx.AsyncClient, EchoStub, HealthStub]]:
    async with (
        httpx.AsyncClient(base_url=f"http://{pod.http}", timeout=60) as http,
        grpc.aio.insecure_channel(pod.grpc) as channel,
    ):
        echo = EchoStub(channel)
        yield http, echo, HealthStub(channel)


async def test_it_tells_who_it_is_and_who_asked(provider: StartProvider) -> None:
    pod = await provider(POD_NAME="echo-7", NODE_NAME="node-b", ZONE="zone-c")
    async with clients(pod) as (http, echo, _):
        answer = (await http.get("/ping")).raise_for_status().json()
        reply = await echo.Echo(EchoRequest(message="hello"))

    assert answer.pop("peer").startswith("127.0.0.1:")
    assert answer == {"pod": "echo-7", "node": "node-b", "zone": "zone-c"}
    assert (reply.message, reply.pod, reply.node, reply.zone) == ("hello", "echo-7", "node-b", "zone-c")
    assert reply.peer.startswith("127.0.0.1:")


async def test_all_four_kinds_of_call_echo(provider: StartProvider) -> None:
    async with clients(await provider()) as (_, echo, health):
        three = [EchoRequest(message=letter) for letter in "abc"]
        one = await echo.Echo(three[0])
        single = [reply.message async for reply in echo.EchoServerStream(EchoRequest(message="once"))]
        several = [reply.message async for reply in echo.EchoServerStream(EchoRequest(message="x", replies=3))]
        gathered = await echo.EchoClientStream(three)
        each = [reply.message async for reply in echo.EchoBidirectional(three)]
        assert (await health.Check(ECHO)).status == SERVING

    assert one.message == "a"
    assert single == ["once"]
    assert several == ["x", "x", "x"]
    assert gathered.message == "a\nb\nc"
    assert each == ["a", "b", "c"]


async def test_failures_are_told_as_such_and_leave_the_pod_healthy(provider: StartProvider) -> None:
    async with clients(await provider("--fail-ratio", "1")) as (http, echo, health):
        answer = await http.get("/ping")
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await echo.Echo(EchoRequest())
        assert (await http.get("/healthz")).text == "ok"
        assert (await health.Check(ECHO)).status == SERVING

    assert answer.status_code == 503
    assert "--fail-ratio" in answer.json()["error"]
    assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "--fail-ratio" in (failure.value.details() or "")


async def test_health_waits_for_no_call(provider: StartProvider) -> None:
    pod = await provider("--latency-ms", AN_HOUR_MS, "--concurrency", "1")
    async with clients(pod) as (http, echo, health):
        calls = [asyncio.create_task(http.get("/ping")), asyncio.ensure_future(echo.Echo(EchoRequest()))]
        assert (await http.get("/healthz")).text == "ok"
        assert (await health.Check(ECHO)).status == SERVING
        assert not any(call.done() for call in calls)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


async def test_sigterm_stops_it_without_losing_a_call(provider: StartProvider) -> None:
    """Not ready at once, yet accepting; closed later; what is in flight finishes; exit 0."""
    pod = await provider("--lame-duck-s", "3")
    async with clients(pod) as (http, echo, health):
        in_flight = echo.EchoBidirectional()
        await in_flight.write(EchoRequest(message="before"))
        assert (await in_flight.read()).message == "before"
        idle, its_end = await asyncio.open_connection(*pod.http.split(":"))
        watch = health.Watch(ECHO)
        assert (await watch.read()).status == SERVING

        pod.process.send_signal(signal.SIGTERM)
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()
        assert (await http.get("/healthz")).status_code == 503
        async with clients(pod) as (new_http, new_echo, _):
            assert (await new_http.get("/ping")).status_code == 200
            assert (await new_echo.Echo(EchoRequest(message="new"))).message == "new"

        assert await idle.read() == b"", "the server closes its idle connections with its ports"
        its_end.close()
        with pytest.raises(httpx.ConnectError):
            await httpx.AsyncClient().get(f"http://{pod.http}/ping")
        await in_flight.write(EchoRequest(message="after"))
        assert (await in_flight.read()).message == "after"
        await in_flight.done_writing()
        assert not await in_flight.read(), "the end of the stream is false"

    assert await pod.process.wait() == 0


async def test_an_http_request_in_flight_is_answered_after_the_ports_are_closed(provider: StartProvider) -> None:
    pod = await provider("--latency-ms", "2000", "--lame-duck-s", "0")
    async with clients(pod) as (http, _, _):
        idle, its_end = await asyncio.open_connection(*pod.http.split(":"))
        ping = asyncio.create_task(http.get("/ping"))
        assert (await http.get("/healthz")).text == "ok"
        pod.process.send_signal(signal.SIGTERM)
        assert await idle.read() == b""
        its_end.close()
        assert not ping.done()
        assert (await ping).status_code == 200

    assert await pod.process.wait() == 0


async def test_the_grace_is_bounded(provider: StartProvider) -> None:
    pod = await provider("--latency-ms", AN_HOUR_MS, "--lame-duck-s", "0", "--grace-s", "1")
    async with clients(pod) as (http, echo, health):
        ping, call = asyncio.create_task(http.get("/ping")), asyncio.ensure_future(echo.Echo(EchoRequest()))
        assert (await http.get("/healthz")).text == "ok"
        assert (await health.Check(ECHO)).status == SERVING
        pod.process.send_signal(signal.SIGTERM)
        assert await pod.process.wait() == 0
        assert (await ping).status_code == 500
        with pytest.raises(grpc.aio.AioRpcError):
            await call


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(provider: StartProvider, number: signal.Signals) -> None:
    pod = await provider("--latency-ms", AN_HOUR_MS, "--lame-duck-s", "3600")
    async with clients(pod) as (http, _, health):
        ping = asyncio.create_task(http.get("/ping"))
        watch = health.Watch(ECHO)
        assert (await watch.read()).status == SERVING
        pod.process.send_signal(number)
        assert (await watch.read()).status == NOT_SERVING
        pod.process.send_signal(number)
        assert await pod.process.wait() == 128 + number
        with pytest.raises(httpx.TransportError):
            await ping
        watch.cancel()


@pytest.mark.parametrize("option", ["--http-port", "--grpc-port"])
async def test_a_port_in_use_is_one_line_and_status_2(spawn: Spawn, option: str) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        ports = {"--http-port": "0", "--grpc-port": "0", option: port}
        arguments = [word for pair in ports.items() for word in pair]
        process = await spawn("services.provider", "--host", "127.0.0.1", *arguments)
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode() == (
        f"services.provider: cannot listen on 127.0.0.1:{port}: Address already in use; choose another --host or port\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--http-port", "70000"),
        ("--grpc-port", "http"),
        ("--latency-ms", "-1"),
        ("--latency-ms", "nan"),
        ("--concurrency", "1.5"),
        ("--fail-ratio", "2"),
        ("--grace-s", "inf"),
        ("--lame-duck-s",),
        ("--no-such-option",),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(arguments)
    errors = capsys.readouterr().err
    assert exit_.value.code == 2
    assert errors.count("\n") == 1
    assert all(word in errors for word in arguments)


def test_connections_are_accepted_without_delaying_small_writes() -> None:
    """asyncio sets TCP_NODELAY only where the listening socket names its protocol."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
    with listen("::1", 0) as listener:
        assert listener.family == socket.AF_INET6


def test_identity_without_an_environment_is_the_host() -> None:
    assert Identity.from_environment({}) == Identity(pod=socket.gethostname(), node="", zone="")


async def test_a_grpc_connection_may_be_ended_for_its_age_and_no_call_fails(provider: StartProvider) -> None:
    async with clients(await provider("--max-connection-age-s", "0.1")) as (_, echo, _):
        first = (await echo.Echo(EchoRequest())).peer
        while (await echo.Echo(EchoRequest())).peer == first:
            pass


async def test_it_registers_itself_and_leaves_before_it_stops(provider: StartProvider, etcd: str) -> None:
    target = f"etcd://{etcd}/provider"
    resolvers = [registry.resolver(f"{target}/{name}") for name in ("http", "grpc")]
    async with followed(resolvers[0]) as http, followed(resolvers[1]) as grpc_ports:
        pod = await provider(
            "--register", target, "--movable", "--lame-duck-s", "3600", POD_NAME="echo-0", ZONE="zone-a"
        )
        for sets, address in ((http, pod.http), (grpc_ports, pod.grpc)):
            while not (found := (await sets.next()).endpoints):
                pass
            assert [(each.address, each.name, each.zone) for each in found] == [(address, "echo-0", "zone-a")]
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.put(f"http://{pod.http}/registration", content="nonsense")).status_code == 400
            moved = await client.put(f"http://{pod.http}/registration", content=f"etcd://{etcd}/standby")
            assert moved.status_code == 204
            assert (await http.next()).endpoints == ()
            assert (await client.put(f"http://{pod.http}/registration", content=target)).status_code == 204
            assert (await http.next()).endpoints
            pod.process.send_signal(signal.SIGTERM)
            assert (await http.next()).endpoints == ()
            assert (await client.get(f"http://{pod.http}/ping")).is_success, "it still serves"
