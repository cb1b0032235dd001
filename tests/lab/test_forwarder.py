"""The forwarder that stands in for kube-proxy, between real sockets, fed from a real API server."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from benchmarks.lab.client import ApiClient
from benchmarks.lab.forwarder import Address, Forwarder, PortName
from benchmarks.lab.kinds import ENDPOINT_SLICE, SERVICE
from benchmarks.lab.mirror import Mirror
from benchmarks.lab.rules import ServicePort
from benchmarks.lab.store import Store
from tests.lab.served import TOKEN, serving

NAME = PortName("default", "echo", "http")
SERVICE_OBJECT = {
    "metadata": {"name": "echo"},
    "spec": {"clusterIP": "10.96.0.20", "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
}


def endpoints(*ports: int, ready: bool = True) -> list[dict[str, Any]]:
    """A slice for each port, as pods that share an address have."""
    conditions = {"ready": ready, "serving": True, "terminating": not ready}
    return [
        {
            "metadata": {"name": f"echo-{port}", "labels": {"kubernetes.io/service-name": "echo"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": conditions}],
            "ports": [{"name": "http", "protocol": "TCP", "port": port}],
        }
        for port in ports
    ]


@asynccontextmanager
async def pod() -> AsyncIterator[int]:
    """A server that answers each line with its own port and the line, and the end of lines with `bye`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(b"%d " % port + line)
            writer.write(b"bye\n")
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield port
    server.close()


@asynccontextmanager
async def forwarding(
    store: Store, choose: Callable[[Sequence[Address]], Address] | None = None
) -> AsyncIterator[Forwarder]:
    """A forwarder of what the store holds, Service `echo` included."""
    store.create(SERVICE, "default", SERVICE_OBJECT)
    async with serving(store) as server, ApiClient(server.url, TOKEN) as client:

        def refresh() -> None:
            forwarder.refresh()

        services = Mirror(client, SERVICE, refresh)
        slices = Mirror(client, ENDPOINT_SLICE, refresh)
        forwarder = Forwarder(services, slices, choose) if choose else Forwarder(services, slices)
        tasks = [asyncio.create_task(each.run()) for each in (services, slices, forwarder)]
        await forwarder.until(lambda ports: len(ports) == 1)
        yield forwarder
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def going_to(*targets: int) -> Callable[[Sequence[ServicePort]], bool]:
    wanted = {("127.0.0.1", port) for port in targets}
    return lambda ports: {target for port in ports for target in port.endpoints} == wanted


async def ask(forwarder: Forwarder) -> int:
    """The port of the pod that answers on a new connection."""
    reader, writer = await asyncio.open_connection(*forwarder.address(NAME))
    writer.write(b"who\n")
    port, _ = (await reader.readline()).split()
    writer.close()
    await writer.wait_closed()
    return int(port)


async def rejected(forwarder: Forwarder) -> None:
    reader, writer = await asyncio.open_connection(*forwarder.address(NAME))
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()


async def test_each_connection_goes_where_the_choice_says_and_is_counted() -> None:
    store, turns = Store(), iter([0, 1, 1])
    async with pod() as first, pod() as second:
        for piece in endpoints(first, second):
            store.create(ENDPOINT_SLICE, "default", piece)
        async with forwarding(store, lambda found: sorted(found)[next(turns)]) as forwarder:
            await forwarder.until(going_to(first, second))
            low, high = sorted((first, second))
            assert [await ask(forwarder) for _ in range(3)] == [low, high, high]
            assert forwarder.accepted == {("127.0.0.1", low): 1, ("127.0.0.1", high): 2}


async def test_by_default_the_choice_is_random() -> None:
    store = Store()
    async with pod() as first, pod() as second:
        for piece in endpoints(first, second):
            store.create(ENDPOINT_SLICE, "default", piece)
        async with forwarding(store) as forwarder:
            await forwarder.until(going_to(first, second))
            # The odds that one of two gets none of 60 are below 10**-17.
            assert set(Counter([await ask(forwarder) for _ in range(60)])) == {first, second}


async def test_without_an_endpoint_a_connection_is_reset() -> None:
    async with forwarding(Store()) as forwarder:
        await rejected(forwarder)
        assert forwarder.accepted == {}


async def test_a_pod_that_does_not_listen_resets_the_connection() -> None:
    store = Store()
    async with pod() as gone:
        pass
    for piece in endpoints(gone):
        store.create(ENDPOINT_SLICE, "default", piece)
    async with forwarding(store) as forwarder:
        await forwarder.until(going_to(gone))
        await rejected(forwarder)
        assert forwarder.accepted == {}


async def test_terminating_ones_serve_where_none_is_ready() -> None:
    store = Store()
    async with pod() as leaving, pod() as ready:
        store.create(ENDPOINT_SLICE, "default", endpoints(leaving, ready=False)[0])
        async with forwarding(store) as forwarder:
            await forwarder.until(going_to(leaving))
            assert await ask(forwarder) == leaving
            store.create(ENDPOINT_SLICE, "default", endpoints(ready)[0])
            await forwarder.until(going_to(ready))
            assert await ask(forwarder) == ready


async def test_open_connections_stay_and_the_address_stays_when_the_slices_change() -> None:
    store = Store()
    async with pod() as first, pod() as second:
        store.create(ENDPOINT_SLICE, "default", endpoints(first)[0])
        async with forwarding(store) as forwarder:
            await forwarder.until(going_to(first))
            address = forwarder.address(NAME)
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"one\n")
            assert await reader.readline() == b"%d one\n" % first

            store.create(ENDPOINT_SLICE, "default", endpoints(second)[0])
            store.delete(ENDPOINT_SLICE, "default", f"echo-{first}")
            await forwarder.until(going_to(second))
            assert await ask(forwarder) == second
            assert forwarder.address(NAME) == address
            writer.write(b"two\n")
            assert await reader.readline() == b"%d two\n" % first

            # One direction's end leaves the other open.
            writer.write_eof()
            assert await reader.read() == b"bye\n"
            writer.close()
            await writer.wait_closed()


async def test_a_service_that_is_gone_is_no_longer_listened_for() -> None:
    store = Store()
    async with forwarding(store) as forwarder:
        address = forwarder.address(NAME)
        store.delete(SERVICE, "default", "echo")
        await forwarder.until(lambda ports: not ports)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)


async def test_its_end_ends_the_connections() -> None:
    store = Store()
    async with pod() as only:
        store.create(ENDPOINT_SLICE, "default", endpoints(only)[0])
        async with forwarding(store) as forwarder:
            await forwarder.until(going_to(only))
            reader, writer = await asyncio.open_connection(*forwarder.address(NAME))
            writer.write(b"one\n")
            await reader.readline()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()
