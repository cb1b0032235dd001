"""Other transports inside the HTTP ones: httpx-aiohttp, httpx2 and users' own; and the URLs that they are given."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import httpx
import httpx2
import pytest
from httpx_aiohttp import AiohttpTransport

import discovery.http
from discovery import Endpoint
from discovery.http import AsyncTransport, Transport
from discovery.http import _rules as rules
from discovery.http._way import Way
from discovery.retries import Ran
from tests.discovery.http_servers import Client, Handler, Server, listed, servers

ROOT = Path(__file__).parents[2]


@pytest.fixture
def two() -> Iterator[tuple[Server, Server]]:
    with servers(2) as (first, second):
        yield first, second


def over_aiohttp() -> AiohttpTransport:
    return AiohttpTransport(verify=False)


# httpx-aiohttp


async def test_aiohttp_inside_keeps_connections_and_sends_bodies_as_they_are(two: tuple[Server, Server]) -> None:
    async with Client("asyncio", target=listed(two), policy="round_robin", inner=over_aiohttp) as client:
        assert await client.pods(10) == {"pod-0": 5, "pod-1": 5}
        assert (await client.request("POST", "/x?y=1", content=b"hello")).json().items() >= {
            "path": "/x?y=1",
            "host": "orders.shop",
            "body": "hello",
        }.items()

        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            yield b"b"

        assert (await client.request("POST", "/", content=parts())).json()["body"] == "ab"
        assert client.in_flight() == 0
    assert [pod.connections for pod in two] == [1, 1]


async def test_aiohttp_inside_streams_and_is_cancelled(two: tuple[Server, Server]) -> None:
    async with Client("asyncio", target=listed(two[:1]), inner=over_aiohttp) as client:
        async with client.stream("/slow") as response:
            assert client.in_flight() == 1
            two[0].go_on.set()
            assert b"pod-0" in await client.read(response)
        two[0].go_on.clear()
        task = client.aside("GET", "/hang")
        await asyncio.to_thread(two[0].waiting.acquire)
        await asyncio.to_thread(two[0].waiting.acquire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (client.in_flight(), client.failures()) == (0, {})


@pytest.mark.parametrize("fault", [Handler.reset, Handler.hang_up])
async def test_what_aiohttp_may_have_sent_is_not_sent_again(
    two: tuple[Server, Server], fault: Callable[[Handler], None]
) -> None:
    """httpx-aiohttp raises `httpx.ConnectTimeout` for a connection that was lost in the middle, too."""
    two[0].behave = fault
    async with Client("asyncio", target=listed(two), policy="first", inner=over_aiohttp) as client:
        assert (await client.get()).extensions["discovery"]["tries"] == 2
        with pytest.raises(httpx.TransportError, match=two[0].endpoint.address):
            await client.request("POST", "/")
        # aiohttp tries an idempotent one again by itself, there.
        assert [len(pod.requests) for pod in two] == [2 + 1, 1]


async def test_what_aiohttp_could_not_connect_to_is_asked_for_elsewhere(two: tuple[Server, Server]) -> None:
    with servers(1) as (gone,):
        pass
    async with Client("asyncio", target=listed((gone, two[0])), policy="first", inner=over_aiohttp) as client:
        assert (await client.request("POST", "/")).extensions["discovery"]["tries"] == 2


async def test_with_aiohttp_the_read_timeout_holds(two: tuple[Server, Server]) -> None:
    timeout = httpx.Timeout(30, read=0.05)
    async with Client("asyncio", target=listed(two), policy="first", inner=over_aiohttp, timeout=timeout) as client:
        with pytest.raises(httpx.ReadTimeout, match=two[0].endpoint.address):
            await client.get("/hang")
        assert client.failures() == {two[0].endpoint.address: 1}


def test_what_an_error_of_aiohttps_says_about_the_request() -> None:
    def of(cause: Exception) -> Ran | None:
        error = httpx.ConnectTimeout("")
        error.__cause__ = cause
        return rules.ran(error)

    refused = aiohttp.ClientConnectorError(None, OSError(111, "refused"))  # type: ignore[arg-type]
    assert of(refused) is Ran.NO
    assert of(aiohttp.ConnectionTimeoutError()) is Ran.NO
    assert of(aiohttp.ServerDisconnectedError()) is Ran.MAYBE
    assert of(aiohttp.ClientOSError(104, "reset")) is Ran.MAYBE


# httpx2


@pytest.mark.parametrize(
    "subjects", [["http"], pytest.param(["http_behaviours", "http_tls", "http_tries"], marks=pytest.mark.soak)]
)
def test_httpx2_in_place_of_httpx_passes_the_same_tests(subjects: list[str]) -> None:
    """`httpx2.alias_httpx`, which an application may call, makes everything here httpx2."""
    files = [f"tests/discovery/test_{subject}.py" for subject in subjects]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.aliased", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "httpx is httpx2" in done.stdout


def test_httpx2_beside_httpx_is_refused_with_advice() -> None:
    with (
        Transport("static:///10.0.0.1:80", inner=httpx2.HTTPTransport) as transport,  # type: ignore[arg-type]
        pytest.raises(httpx.ConnectError, match=r"made a httpx2.HTTPTransport where .*call httpx2.alias_httpx\(\)"),
    ):
        transport.handle_request(httpx.Request("GET", "http://orders/"))
    with (
        httpx2.Client(transport=Transport("static:///10.0.0.1:80")) as client,  # type: ignore[arg-type]
        pytest.raises(TypeError, match=r"httpx2.Request is not an httpx.Request: .*call httpx2.alias_httpx\(\)"),
    ):
        client.get("http://orders/")


async def test_a_sync_transport_inside_an_asyncio_one_is_refused() -> None:
    async with AsyncTransport("static:///10.0.0.1:80", inner=httpx.HTTPTransport) as transport:  # type: ignore[arg-type]
        with pytest.raises(discovery.http.NoEndpoints, match=r"made a httpx.HTTPTransport where an httpx.AsyncBase"):
            await transport.handle_async_request(httpx.Request("GET", "http://orders/"))


# What they are given


URLS = [
    "http://orders.shop/",
    "http://orders.shop/a%20b/c?x=1&y=%2F#there",
    "https://orders.shop:8443/a?",
    "https://orders.shop/%C3%A9?q=é",
]


@pytest.mark.parametrize("text", URLS)
@pytest.mark.parametrize("endpoint", [Endpoint("10.0.0.1", 8080), Endpoint("::1", 443), Endpoint("orders.", 80)])
def test_urls_for_httpx_own_transports_are_what_they_would_be_for_others(text: str, endpoint: Endpoint) -> None:
    asked = httpx.Request("GET", httpx.URL(text).copy_with(fragment=None))
    ours = Way(httpx.HTTPTransport(verify=False), endpoint).request(asked, {}).url
    whole = Way(httpx.MockTransport(lambda _: httpx.Response(200)), endpoint).request(asked, {}).url
    assert type(whole) is httpx.URL
    names = ("scheme", "raw_scheme", "host", "raw_host", "port", "netloc", "raw_path", "path", "query", "params")
    assert {name: getattr(ours, name) for name in names} == {name: getattr(whole, name) for name in names}
    assert ours == whole
    assert hash(ours) == hash(whole)
    assert repr(ours) == repr(whole)
    assert ours.copy_with(path="/z") == whole.copy_with(path="/z")
    assert ours.join("b") == whole.join("b")
