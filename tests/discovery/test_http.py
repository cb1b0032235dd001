"""The httpx transports, sync and asyncio, on real servers."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

import discovery.http
from discovery import NoEndpoints, Unresolved
from discovery.runtime import LoopEvent
from discovery.testing import ManualResolver
from tests.discovery.http_servers import Client, Server, listed, servers


@pytest.fixture(params=["sync", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def three() -> Iterator[tuple[Server, ...]]:
    with servers(3) as started:
        yield started


async def test_every_request_is_balanced_over_kept_connections(kind: str, three: tuple[Server, ...]) -> None:
    async with Client(kind, target=listed(three), policy="round_robin") as client:
        assert await client.pods(30) == {"pod-0": 10, "pod-1": 10, "pod-2": 10}
    assert [pod.connections for pod in three] == [1, 1, 1]


async def test_the_callers_request_is_not_changed(kind: str, three: tuple[Server, ...]) -> None:
    async with Client(kind, target=listed(three)) as client:
        response = await client.request("POST", "/x?y=1", content=b"hello")
    assert str(response.request.url) == "http://orders.shop/x?y=1"
    assert response.json().items() >= {"path": "/x?y=1", "host": "orders.shop", "body": "hello"}.items()


async def test_a_body_may_be_a_stream(kind: str, three: tuple[Server, ...]) -> None:
    def parts() -> Iterator[bytes]:
        yield from (b"he", b"llo")

    async def async_parts() -> AsyncIterator[bytes]:
        for part in parts():
            yield part

    async with Client(kind, target=listed(three)) as client:
        content = parts() if kind == "sync" else async_parts()
        answer = await client.request("POST", "/", content=content, headers={"content-length": "5"})
    assert answer.json()["body"] == "hello"


async def test_the_first_host_of_a_target_without_names_is_the_only_one(kind: str, three: tuple[Server, ...]) -> None:
    async with Client(kind, target=listed(three)) as client:
        await client.get("http://orders.shop/")
        with pytest.raises(httpx.UnsupportedProtocol, match=r"serves orders.shop and not 'other'.*mounts=.*host="):
            await client.get("http://other/")
        with pytest.raises(httpx.UnsupportedProtocol, match=r"'evil\.example'"):
            await client.get("/redirect/http://evil.example/", follow_redirects=True)
        assert (await client.get("/redirect/http://orders.shop/back", follow_redirects=True)).json()["path"] == "/back"


async def test_a_service_is_served_under_all_its_names(kind: str, three: tuple[Server, ...]) -> None:
    resolver = ManualResolver(three[0].endpoint, names=("orders.shop.svc.cluster.local", "orders.shop"))
    async with Client(kind, resolver=resolver) as client:
        for host in ("orders.shop", "ORDERS.shop", "orders.shop.svc.cluster.local", "orders.shop.svc.cluster.local."):
            assert (await client.get(f"http://{host}/")).status_code == 200
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("http://orders/")
    async with Client(kind, resolver=resolver, host="api.example") as client:
        assert (await client.get("http://api.example/")).status_code == 200
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("http://orders.shop/")


async def test_in_flight_ends_with_the_body(kind: str, three: tuple[Server, ...]) -> None:
    async with Client(kind, target=listed(three)) as client:
        async with client.stream("/slow") as response:
            assert client.in_flight() == 1
            for pod in three:
                pod.go_on.set()
            await client.read(response)
            assert client.in_flight() == 0
        async with client.stream("/slow"):
            assert client.in_flight() == 1
        assert client.in_flight() == 0


def test_in_flight_ends_with_a_response_that_is_dropped(three: tuple[Server, ...]) -> None:
    with discovery.http.Transport(listed(three)) as transport:
        response = transport.handle_request(httpx.Request("GET", "http://orders/"))
        assert sum(each.in_flight for each in transport._balancer.snapshot().endpoints) == 1
        del response
        gc.collect()
        assert sum(each.in_flight for each in transport._balancer.snapshot().endpoints) == 0


async def test_an_endpoint_that_left_finishes_and_is_closed(kind: str, three: tuple[Server, ...]) -> None:
    leaving, staying, _ = three
    resolver = ManualResolver(leaving.endpoint)
    async with Client(kind, resolver=resolver) as client:
        async with client.stream("/slow") as response:
            updated = LoopEvent()
            with client.balancer.listening(updated.set_threadsafe):
                resolver.update(staying.endpoint)
                await updated.wait()
            assert await client.pods(5) == {"pod-1": 5}
            leaving.go_on.set()
            assert b"pod-0" in await client.read(response)
        await asyncio.to_thread(leaving.closed_connections.acquire)


async def test_without_endpoints_it_is_a_connect_error_that_says_why(kind: str) -> None:
    resolver = ManualResolver()
    resolver.update(note="nobody is ready")
    async with Client(kind, resolver=resolver) as client:
        with pytest.raises(httpx.ConnectError, match="nobody is ready") as raised:
            await client.get()
    assert type(raised.value) is discovery.http.NoEndpoints
    assert issubclass(discovery.http.NoEndpoints, NoEndpoints)
    assert str(raised.value.request.url) == "http://orders.shop/"


async def test_while_pending_the_connect_timeout_holds(kind: str) -> None:
    async with Client(kind, resolver=ManualResolver(), timeout=0.01) as client:
        with pytest.raises(httpx.ConnectTimeout, match="not resolved within") as raised:
            await client.get()
    assert issubclass(type(raised.value), Unresolved)


async def test_after_close_it_refuses(kind: str, three: tuple[Server, ...]) -> None:
    transport = (discovery.http.Transport if kind == "sync" else discovery.http.AsyncTransport)(listed(three))
    request = httpx.Request("GET", "http://orders/")
    if isinstance(transport, discovery.http.Transport):
        transport.close()
        with pytest.raises(RuntimeError, match="closed"):
            transport.handle_request(request)
    else:
        await transport.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await transport.handle_async_request(request)


async def test_cancelling_a_request_ends_its_lease(three: tuple[Server, ...]) -> None:
    async with Client("asyncio", target=listed(three[:1])) as client:
        await client.get()
        task = asyncio.ensure_future(client.get("/slow"))
        await asyncio.to_thread(three[0].waiting.acquire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.in_flight() == 0
        assert [each.failures for each in client.balancer.snapshot().endpoints] == [0]


async def test_the_inner_transport_may_be_replaced() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"url": str(request.url), "host": request.headers["host"]})

    for kind in ("sync", "asyncio"):
        async with Client(kind, target="static:///10.1.2.3:8080", inner=lambda: httpx.MockTransport(answer)) as client:
            assert (await client.get("/a")).json() == {"url": "http://10.1.2.3:8080/a", "host": "orders.shop"}
            seen = (await client.get("https://orders.shop/")).json()
            assert seen == {"url": "https://10.1.2.3:8080/", "host": "orders.shop"}
