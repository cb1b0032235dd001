"""Clients that are not ours: grpcio, Envoy, and grpc-js from npm."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc import aio

from benchmarks import mesh
from discovery.split import Split
from discovery.xds import Server, grpc_bootstrap
from protos.echo_pb2 import EchoRequest
from protos.echo_pb2_grpc import EchoStub
from tests.discovery.grpc_pods import Pod
from tests.discovery.http_servers import Server as HttpServer
from tests.discovery.xds.raw import Services

ROOT = Path(__file__).parents[3]
NODE_PACKAGES = ("@grpc/grpc-js@1.14.7", "@grpc/grpc-js-xds@1.14.1", "@grpc/proto-loader@0.8.1")
CANARY = Split([(90, "v1"), (10, "v2")], ("version", {"200": "v2"}))

needs_envoy = pytest.mark.skipif(mesh.missing(proxy=True) is not None, reason=str(mesh.missing(proxy=True)))


@pytest.fixture
def services(pods: tuple[Pod, ...]) -> Services:
    """`orders` has two of three pods, `v1` and `v2` one each, and `nobody` none."""
    first, second, _ = (pod.endpoint for pod in pods)
    services = Services(orders=(first, second), v1=(first,), v2=(second,), nobody=())
    services["nobody"].update(note="there is no such Service")
    return services


@pytest.fixture
async def server(services: Services) -> AsyncIterator[Server]:
    async with Server(resolve=services, routes={"canary": CANARY}) as server:
        yield server


async def counted(stub: Any, count: int, **options: Any) -> collections.Counter[str]:
    replies = [await stub.Echo(EchoRequest(message="hi"), timeout=30, **options) for _ in range(count)]
    return collections.Counter(reply.pod for reply in replies)


async def until_seen(stub: Any, wanted: set[str]) -> None:
    """Call until the last so many calls went to all of these and to nobody else."""
    last: collections.deque[str] = collections.deque(maxlen=6)
    while set(last) != wanted or len(last) < 6:
        last += await counted(stub, 1)


def looks_like_the_split(answered: Mapping[str, int]) -> None:
    # Of 300 calls with a chance of 0.1 each, less than 5 or more than 65 are one in ten million.
    assert set(answered) == {"pod-0", "pod-1"}
    assert 5 <= answered["pod-1"] <= 65


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """grpc-js, from npm's cache or from the network where there is one."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("there is no node here: install nodejs and npm")
    folder = tmp_path_factory.mktemp("node")
    options = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
    options += ["--fetch-retries=0", "--fetch-timeout=5000", "--prefix", str(folder)]
    done = subprocess.run(["npm", "install", *options, *NODE_PACKAGES], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm has no grpc-js, in a lab without a network: run `npm cache add {' '.join(NODE_PACKAGES)}`")
    yield folder / "node_modules"
    shutil.rmtree(folder)


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Start:
    """Starts a client that is not ours, in a process of its own, which takes some lines and answers each."""
    command, variables = [sys.executable, "-m", "tests.discovery.xds.client"], {}
    if request.param == "grpc-js":
        variables = {"NODE_PATH": str(request.getfixturevalue("node_modules"))}
        command = ["node", str(Path(__file__).with_name("client.cjs")), str(ROOT / "protos" / "echo.proto")]

    @contextlib.asynccontextmanager
    async def start(server: Server, name: str) -> AsyncIterator[Client]:
        variables["GRPC_XDS_BOOTSTRAP_CONFIG"] = grpc_bootstrap(server.address, node=request.param)
        process = await asyncio.create_subprocess_exec(
            *(*command, f"xds:///{name}"), stdin=PIPE, stdout=PIPE, env={**os.environ, **variables}, cwd=ROOT
        )
        try:
            yield Client(process)
        finally:
            process.kill()
            await process.communicate()

    return start


class Client:
    """Such a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def call(self, count: int, **metadata: str) -> Any:
        """Make so many calls; tells how many each pod answered, or with what the first failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"count": count, "metadata": metadata}).encode() + b"\n")
        return json.loads(await self._process.stdout.readline())

    async def until_seen(self, wanted: set[str]) -> None:
        """Call until all of these answer, and nobody else."""
        while set((await self.call(10))["pods"]) != wanted:
            pass


BOTH = pytest.mark.parametrize("client", ["grpcio", "grpc-js"], indirect=True)
ONE_QUICK = pytest.mark.parametrize(
    "client", ["grpcio", pytest.param("grpc-js", marks=pytest.mark.soak)], indirect=True
)  # the other takes longer to start than all else
Start = Callable[[Server, str], AbstractAsyncContextManager[Client]]


@BOTH
async def test_a_client_follows(client: Start, server: Server, services: Services, pods: tuple[Pod, ...]) -> None:
    async with client(server, "orders") as calls:
        await calls.until_seen({"pod-0", "pod-1"})
        services["orders"].update(*(pod.endpoint for pod in pods))
        await calls.until_seen({"pod-0", "pod-1", "pod-2"})
        services["orders"].update(pods[2].endpoint)
        await calls.until_seen({"pod-2"})
        assert await calls.call(10) == {"pods": {"pod-2": 10}}


@BOTH
async def test_a_client_splits(client: Start, server: Server) -> None:
    async with client(server, "canary") as calls:
        looks_like_the_split((await calls.call(300))["pods"])
        assert await calls.call(20, version="200") == {"pods": {"pod-1": 20}}


@ONE_QUICK
@pytest.mark.parametrize("name", ["nobody", "no_such_name!"])
async def test_a_client_fails_before_its_time_is_over_where_there_is_no_service(
    client: Start, server: Server, name: str
) -> None:
    async with client(server, name) as calls:
        # Had it to wait for what is left out, it would be DEADLINE_EXCEEDED.
        assert "UNAVAILABLE" in (await calls.call(1))["error"]


@ONE_QUICK
async def test_a_client_goes_on_without_the_control_plane_and_finds_its_successor(
    client: Start, services: Services, pods: tuple[Pod, ...]
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with Server(resolve=services) as first:
            calls = await stack.enter_async_context(client(first, "orders"))
            await calls.until_seen({"pod-0", "pod-1"})
        assert set((await calls.call(20))["pods"]) == {"pod-0", "pod-1"}
        services["orders"].update(pods[2].endpoint)
        async with Server(first.address, resolve=services):
            await calls.until_seen({"pod-2"})


@needs_envoy
async def test_envoy_follows_and_splits_over_grpc(server: Server, services: Services, pods: tuple[Pod, ...]) -> None:
    async with mesh.envoy(server.address, ["orders", "canary", "nobody", "no_such_name!"]) as listening:
        async with aio.insecure_channel(listening["orders"]) as channel:
            stub: Any = EchoStub(channel)
            await until_seen(stub, {"pod-0", "pod-1"})
            services["orders"].update(*(pod.endpoint for pod in pods))
            await until_seen(stub, {"pod-0", "pod-1", "pod-2"})
            services["orders"].update(pods[2].endpoint)
            await until_seen(stub, {"pod-2"})
        async with aio.insecure_channel(listening["canary"]) as channel:
            stub = EchoStub(channel)
            looks_like_the_split(await counted(stub, 300))
            assert await counted(stub, 20, metadata=(("version", "200"),)) == {"pod-1": 20}
        for name in ("nobody", "no_such_name!"):
            async with aio.insecure_channel(listening[name]) as channel:
                stub = EchoStub(channel)
                with pytest.raises(grpc.RpcError) as failed:
                    await stub.Echo(EchoRequest(), timeout=30)
                assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


@needs_envoy
async def test_envoy_splits_over_http() -> None:
    with HttpServer("pod-0") as one, HttpServer("pod-1") as two:
        services = Services(v1=(one.endpoint,), v2=(two.endpoint,))
        async with (
            Server(resolve=services, routes={"canary": CANARY}) as server,
            mesh.envoy(server.address, ["canary"]) as listening,
            httpx.AsyncClient(base_url=f"http://{listening['canary']}") as http,
        ):
            answers = [(await http.get("/")).json()["pod"] for _ in range(300)]
            looks_like_the_split(collections.Counter(answers))
            assert {(await http.get("/", headers={"version": "200"})).json()["pod"] for _ in range(20)} == {"pod-1"}


@needs_envoy
async def test_nothing_is_left_of_an_envoy_whose_block_is_left(server: Server) -> None:
    with pytest.raises(ZeroDivisionError):
        async with mesh.envoy(server.address, ["orders"]) as listening:
            raise ZeroDivisionError
    host, _, port = listening["orders"].rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
