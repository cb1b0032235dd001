"""TLS to endpoints whose addresses are in no certificate, HTTP/2 and IPv6."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
import pytest
import trustme

from tests.discovery import raw_server
from tests.discovery.http_servers import Client, listed, servers

BASE_URL = "https://orders.shop"


@dataclass(frozen=True, slots=True)
class Authority:
    """A private CA, and what it issues."""

    ca: trustme.CA

    def server(self, name: str = "orders.shop") -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(name, key_type=trustme.KeyType.ECDSA).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(trustme.CA(key_type=trustme.KeyType.ECDSA))


@pytest.fixture(params=["sync", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_the_verified_name_is_the_services(kind: str, authority: Authority) -> None:
    named = authority.server()
    asked: list[str | None] = []
    named.sni_callback = lambda _socket, name, _context: asked.append(name)
    with servers(2, tls=named) as pods:
        target = listed(pods)
        async with Client(kind, target=target, base_url=BASE_URL, verify=authority.client()) as client:
            for _ in range(2):
                assert (await client.get()).json()["host"] == "orders.shop"
        async with Client(kind, target=target, base_url="https://other", verify=authority.client()) as client:
            with pytest.raises(httpx.ConnectError, match=r"(?i)hostname mismatch.*source ok"):
                await client.get()
            wish = {"sni_hostname": "orders.shop"}
            assert (await client.get(extensions=wish)).json()["host"] == "other"
        async with Client(kind, target=target, base_url=BASE_URL, verify=False) as client:
            assert (await client.get()).status_code == 200
    assert set(asked) == {"orders.shop", "other"}


async def test_an_authority_that_is_not_trusted_is_a_connect_error(kind: str, authority: Authority) -> None:
    with servers(1, tls=authority.server()) as pods:
        async with Client(kind, target=listed(pods), base_url=BASE_URL) as client:
            with pytest.raises(httpx.ConnectError, match=r"(?i)certificate verify failed"):
                await client.request("POST", "/")
        assert pods[0].requests == []


async def test_client_certificates(kind: str, authority: Authority) -> None:
    demanding = authority.server()
    authority.ca.configure_trust(demanding)
    demanding.verify_mode = ssl.CERT_REQUIRED
    with servers(1, tls=demanding) as pods:
        identified = authority.client()
        authority.ca.issue_cert("client", key_type=trustme.KeyType.ECDSA).configure_cert(identified)
        async with Client(kind, target=listed(pods), base_url=BASE_URL, verify=identified) as client:
            assert (await client.get()).status_code == 200
        async with Client(kind, target=listed(pods), base_url=BASE_URL, verify=authority.client()) as client:
            # On asyncio httpcore hands on an alert that comes after the handshake as it is.
            with pytest.raises((httpx.TransportError, ssl.SSLError)):
                await client.get()
            assert client.failures()
        assert len(pods[0].requests) == 1


async def test_one_context_serves_all_endpoints(
    kind: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(verify: bool) -> ssl.SSLContext:
        contexts.append(authority.client())
        return contexts[-1]

    contexts: list[ssl.SSLContext] = []
    monkeypatch.setattr(httpx, "create_ssl_context", made)
    with servers(3, tls=authority.server()) as pods:
        async with Client(kind, target=listed(pods), base_url=BASE_URL, policy="round_robin") as client:
            assert len(await client.pods(3)) == 3
    assert len(contexts) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_ipv6(kind: str, authority: Authority, scheme: str) -> None:
    with servers(2, host="::1", tls=authority.server() if scheme == "https" else None) as pods:
        target = listed(pods)
        assert target.startswith("static:///[::1]:")
        options: dict[str, Any] = {
            "base_url": f"{scheme}://orders.shop",
            "verify": authority.client(),
            "policy": "round_robin",
        }
        async with Client(kind, target=target, **options) as client:
            assert await client.pods(4) == {"pod-0": 2, "pod-1": 2}


async def test_http2_shares_a_connection(kind: str, authority: Authority) -> None:
    context = authority.server()
    context.set_alpn_protocols(["h2"])
    connections = []

    def handle(connection: socket.socket) -> None:
        connections.append(connection)
        with context.wrap_socket(connection, server_side=True) as tls:
            answer_in_threes(tls)

    with raw_server.serving(handle) as endpoint:
        target = f"static:///{endpoint.address}"
        options: dict[str, Any] = {"base_url": BASE_URL, "verify": authority.client(), "http2": True}
        async with Client(kind, target=target, **options) as client:
            for _ in range(2):
                answers = await asyncio.gather(*(client.aside("POST", f"/{number}") for number in range(3)))
                assert [answer.http_version for answer in answers] == ["HTTP/2"] * 3
                assert [answer.text for answer in answers] == ["orders.shop /0", "orders.shop /1", "orders.shop /2"]
            assert client.in_flight() == 0
    assert len(connections) == 1


def answer_in_threes(tls: ssl.SSLSocket) -> None:
    """Speak HTTP/2: answer requests when three are there."""
    http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    http.initiate_connection()
    tls.sendall(http.data_to_send())
    asked: dict[int, bytes] = {}
    while data := tls.recv(65_536):
        for event in http.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = dict(event.headers)
                asked[event.stream_id] = headers[b":authority"] + b" " + headers[b":path"]
        if len(asked) == 3:
            for stream, text in asked.items():
                http.send_headers(stream, [(":status", "200")])
                http.send_data(stream, text, end_stream=True)
            asked.clear()
        tls.sendall(http.data_to_send())
