"""What httpx's documentation says of its clients holds with the transports: sync and asyncio, on real servers."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator

import httpx
import pytest

from discovery import Balancing, Endpoint
from discovery.http import AsyncTransport
from discovery.testing import ManualResolver
from tests.discovery import raw_server
from tests.discovery.http_servers import Client, Handler, Server, listed, servers

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
A_LOT = b"x" * 50_000_000


@pytest.fixture(params=["sync", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def two() -> Iterator[tuple[Server, ...]]:
    with servers(2) as started:
        yield started


def at(endpoint: Endpoint) -> str:
    return f"static:///{endpoint.address}"


# What the client does above its transport


async def test_redirects_are_followed_and_each_is_balanced(kind: str, two: tuple[Server, ...]) -> None:
    async with Client(kind, target=listed(two), policy="round_robin") as client:
        response = await client.request("POST", "/redirect//there?x=1", content=b"hello", follow_redirects=True)
        assert [str(each.url) for each in response.history] == ["http://orders.shop/redirect//there?x=1"]
        assert str(response.url) == "http://orders.shop/there?x=1"
        assert response.json().items() >= {"path": "/there?x=1", "body": "", "host": "orders.shop"}.items()
        assert [len(pod.requests) for pod in two] == [1, 1]
        assert (await client.get("/redirect//there")).has_redirect_location
        assert client.in_flight() == 0


async def test_cookies_are_the_services_and_not_the_pods(kind: str, two: tuple[Server, ...]) -> None:
    def behave(handler: Handler) -> None:
        handler.answer(200, {"set-cookie": "session=7; Path=/"}, (handler.headers["cookie"] or "none").encode())

    for pod in two:
        pod.behave = behave
    async with Client(kind, target=listed(two), policy="round_robin") as client:
        assert [(await client.get()).text for _ in range(3)] == ["none", "session=7", "session=7"]
        assert [(cookie.domain, cookie.name) for cookie in client.inner.cookies.jar] == [("orders.shop", "session")]


class Signed(httpx.Auth):
    """A flow that reads the body of a challenge."""

    requires_response_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield request
        if response.status_code == 401:
            request.headers["authorization"] = response.json()["nonce"]
            yield request


@pytest.mark.parametrize("flow", [httpx.BasicAuth, httpx.DigestAuth, Signed])
async def test_auth_flows(kind: str, two: tuple[Server, ...], flow: type[httpx.Auth]) -> None:
    def behave(handler: Handler) -> None:
        given = handler.headers["authorization"]
        if given is None:
            challenge = {"www-authenticate": 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'}
            handler.answer(401, challenge, json.dumps({"nonce": "abc"}).encode())
        else:
            handler.answer(body=given.encode())

    for pod in two:
        pod.behave = behave
    auth = Signed() if flow is Signed else flow("user", "pass")  # type: ignore[call-arg]
    async with Client(kind, target=listed(two), policy="round_robin") as client:
        answer = (await client.request("POST", "/", content=b"hello", auth=auth)).text
    assert answer.startswith(("Basic dXNlcjpwYXNz", 'Digest username="user"', "abc"))
    assert [seen["body"] for pod in two for seen in pod.requests] == ["hello"] * (1 if flow is httpx.BasicAuth else 2)


async def test_hooks_and_traces_see_the_callers_request(kind: str, two: tuple[Server, ...]) -> None:
    seen: list[str] = []

    def on_request(request: httpx.Request) -> None:
        seen.append(f"{request.method} {request.url}")

    def on_response(response: httpx.Response) -> None:
        seen.append(
            f"{response.status_code} {response.request.url} {response.extensions['discovery']['endpoint'].port}"
        )

    def traced(name: str, _info: object) -> None:
        seen.append(name)

    async def on_request_async(request: httpx.Request) -> None:
        on_request(request)

    async def on_response_async(response: httpx.Response) -> None:
        on_response(response)

    async def traced_async(name: str, info: object) -> None:
        traced(name, info)

    asynchronous = kind == "asyncio"
    hooks = {
        "request": [on_request_async if asynchronous else on_request],
        "response": [on_response_async if asynchronous else on_response],
    }
    async with Client(kind, target=listed(two[:1]), client={"event_hooks": hooks}) as client:
        await client.get("/a", extensions={"trace": traced_async if asynchronous else traced})
    assert seen[0] == "GET http://orders.shop/a"
    assert f"200 http://orders.shop/a {two[0].server_port}" in seen
    assert {"connection.connect_tcp.started", "http11.receive_response_headers.complete"} <= set(seen)


# Streams


async def test_a_download_comes_as_it_is_sent(kind: str, two: tuple[Server, ...]) -> None:
    async with Client(kind, target=listed(two[:1])) as client, client.stream("/slow") as response:
        parts = client.parts(response)
        first = await anext(parts)
        assert first == b"{"
        assert client.in_flight() == 1
        two[0].go_on.set()
        rest = b"".join([part async for part in parts])
        assert json.loads(first + rest)["path"] == "/slow"
        assert client.in_flight() == 0, "it was read to the end"


async def test_a_download_may_be_left(kind: str, two: tuple[Server, ...]) -> None:
    async with Client(kind, target=listed(two[:1])) as client:
        async with client.stream("/slow") as response:
            async for _ in client.parts(response):
                break
        assert client.in_flight() == 0
        two[0].go_on.set()
        assert (await client.get()).status_code == 200
        assert client.failures() == {}


async def test_an_upload_goes_as_it_comes(kind: str) -> None:
    arrived = threading.Event()

    def handle(connection: socket.socket) -> None:
        raw_server.head(connection)
        assert connection.recv(100).startswith(b"3\r\none")
        arrived.set()
        while b"0\r\n\r\n" not in connection.recv(100):
            pass
        connection.sendall(OK)

    def parts() -> Iterator[bytes]:
        yield b"one"
        arrived.wait()
        yield b"two"

    async def async_parts() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.to_thread(arrived.wait)
        yield b"two"

    with raw_server.serving(handle) as endpoint:
        async with Client(kind, target=at(endpoint)) as client:
            content = parts() if kind == "sync" else async_parts()
            assert (await client.request("POST", "/", content=content)).text == "ok"


# What HTTP has beside requests and answers


async def test_information_and_expectations_pass(kind: str) -> None:
    heads = []

    def handle(connection: socket.socket) -> None:
        heads.append(raw_server.head(connection))
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n")
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert connection.recv(5) == b"hello"
        connection.sendall(OK)

    with raw_server.serving(handle) as endpoint:
        async with Client(kind, target=at(endpoint)) as client:
            response = await client.request("POST", "/", content=b"hello", headers={"expect": "100-continue"})
            assert (response.status_code, response.text, client.in_flight()) == (200, "ok", 0)
    assert b"expect: 100-continue\r\n" in heads[0].lower()


async def test_an_upgraded_connection_is_in_flight_until_it_is_closed(kind: str) -> None:
    def handle(connection: socket.socket) -> None:
        raw_server.head(connection)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        while data := connection.recv(100):
            connection.sendall(data.upper())

    with raw_server.serving(handle) as endpoint:
        async with Client(kind, target=at(endpoint)) as client:
            upgrade = {"connection": "upgrade", "upgrade": "echo"}
            async with client.stream("/", headers=upgrade) as response:
                stream = response.extensions["network_stream"]
                assert response.status_code == 101
                if kind == "sync":
                    stream.write(b"hello")
                    answer = stream.read(100)
                else:
                    await stream.write(b"hello")
                    answer = await stream.read(100)
                assert answer == b"HELLO"
                assert client.in_flight() == 1
            assert client.in_flight() == 0


# Timeouts


async def test_the_connect_timeout(kind: str) -> None:
    with raw_server.unreachable() as endpoint:
        async with Client(kind, target=at(endpoint), timeout=httpx.Timeout(30, connect=0.05)) as client:
            await client.resolved()
            with pytest.raises(httpx.ConnectTimeout, match=f"{endpoint.address}.*source ok"):
                await client.get()
            assert client.in_flight() == 0
            assert client.failures() == {endpoint.address: 1}


async def test_what_cannot_be_reached_in_time_is_asked_for_elsewhere(kind: str, two: tuple[Server, ...]) -> None:
    with raw_server.unreachable() as endpoint:
        target = f"static:///{endpoint.address},{two[0].endpoint.address}"
        timeout = httpx.Timeout(30, connect=2.0)
        async with Client(kind, target=target, policy="first", timeout=timeout) as client:
            assert (await client.request("POST", "/")).extensions["discovery"]["tries"] == 2


@pytest.mark.parametrize("path", ["/hang", "/slow"])
async def test_the_read_timeout(kind: str, two: tuple[Server, ...], path: str) -> None:
    async with Client(kind, target=listed(two), policy="first", timeout=httpx.Timeout(30, read=0.05)) as client:
        with pytest.raises(httpx.ReadTimeout, match=two[0].endpoint.address):
            await client.get(path)
        assert client.in_flight() == 0
        assert client.failures() == {two[0].endpoint.address: 1}
    assert [len(pod.requests) for pod in two] == [1, 0]


async def test_the_write_timeout(kind: str) -> None:
    done = threading.Event()
    with raw_server.serving(lambda _connection: done.wait()) as endpoint:
        async with Client(kind, target=at(endpoint), timeout=httpx.Timeout(30, write=0.05)) as client:
            with pytest.raises(httpx.WriteTimeout, match=endpoint.address):
                await client.request("POST", "/", content=A_LOT)
            assert client.in_flight() == 0
        done.set()


async def test_the_pool_timeout(kind: str, two: tuple[Server, ...]) -> None:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    timeout = httpx.Timeout(30, pool=0.05)
    async with Client(kind, target=listed(two[:1]), limits=limits, timeout=timeout) as client:
        first = client.aside("GET", "/hang")
        await asyncio.to_thread(two[0].waiting.acquire)
        with pytest.raises(httpx.PoolTimeout, match=two[0].endpoint.address):
            await client.get()
        two[0].go_on.set()
        assert (await first).status_code == 200
        assert client.failures() == {}


# Limits


async def test_a_connection_for_each_request(kind: str, two: tuple[Server, ...]) -> None:
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
    async with Client(kind, target=listed(two[:1]), limits=limits) as client:
        for _ in range(3):
            await client.get()
        assert two[0].connections == 3


async def test_no_connection_is_closed_for_being_busy(kind: str, two: tuple[Server, ...]) -> None:
    """httpcore 1.0 counts busy connections as kept ones, and with httpx's limits would close all but 20."""
    async with Client(kind, target=listed(two[:1])) as client:
        for _ in range(2):
            asked = [client.aside("GET", "/hang") for _ in range(30)]
            for _ in asked:
                await asyncio.to_thread(two[0].waiting.acquire)
            two[0].go_on.set()
            await asyncio.gather(*asked)
            two[0].go_on.clear()
        assert two[0].connections == 30


# Cancellation


async def cancelled(client: Client, task: asyncio.Future[httpx.Response]) -> None:
    """Cancel it, and see that nothing is left of it."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.in_flight() == 0
    assert client.failures() == {}


async def test_cancelling_while_the_target_is_not_resolved() -> None:
    async with Client("asyncio", resolver=ManualResolver()) as client:
        task = client.aside("GET", "/")
        await asyncio.sleep(0)
        assert client.balancer._waiters == 1
        await cancelled(client, task)


async def test_cancelling_while_there_is_no_room(two: tuple[Server, ...]) -> None:
    async with Client("asyncio", target=listed(two[:1]), balancing=Balancing(max_in_flight=1)) as client:
        first = client.aside("GET", "/hang")
        await asyncio.to_thread(two[0].waiting.acquire)
        second = client.aside("GET", "/")
        await asyncio.sleep(0)
        assert client.balancer._waiters == 1
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        two[0].go_on.set()
        assert (await first).status_code == 200
        assert (await client.get()).status_code == 200, "the room is not lost"


async def test_cancelling_while_connecting() -> None:
    with raw_server.unreachable() as endpoint:
        async with Client("asyncio", target=at(endpoint)) as client:
            await until_traced(client, "connection.connect_tcp.started")


async def test_cancelling_while_sending() -> None:
    read, done = threading.Event(), threading.Event()

    def handle(connection: socket.socket) -> None:
        raw_server.head(connection)
        read.set()
        done.wait()

    with raw_server.serving(handle) as endpoint:
        async with Client("asyncio", target=at(endpoint)) as client:
            task = client.aside("POST", "/", content=A_LOT)
            await asyncio.to_thread(read.wait)
            await cancelled(client, task)
        done.set()


async def test_cancelling_before_there_is_an_answer(two: tuple[Server, ...]) -> None:
    async with Client("asyncio", target=listed(two[:1])) as client:
        await until_traced(client, "http11.receive_response_headers.started", path="/hang")
        two[0].go_on.set()
        assert (await client.get()).status_code == 200


async def test_cancelling_in_the_middle_of_an_answer(two: tuple[Server, ...]) -> None:
    async with Client("asyncio", target=listed(two[:1])) as client:
        await until_traced(client, "http11.receive_response_body.started", path="/slow")
        two[0].go_on.set()
        assert (await client.get()).status_code == 200


async def test_places_that_cancelled_requests_have_lost_are_made_anew(two: tuple[Server, ...]) -> None:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
    transport = AsyncTransport(listed(two[:1]), limits=limits)
    timeout = httpx.Timeout(30, pool=0.05)
    async with httpx.AsyncClient(transport=transport, base_url="http://orders", timeout=timeout) as client:
        for _ in range(3):
            async with client.stream("GET", "/"):
                waits = asyncio.create_task(client.get("/", timeout=30))
                for _ in range(10):
                    await asyncio.sleep(0)
            # Its place has been given to the one that waits, which does not know yet.
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
            assert (await client.get("/")).status_code == 200
        lost = 0 if httpx.__name__ == "httpx2" else 3  # which does not lose any
        assert [len(node.connection.stuck) for node in transport._balancer._pool.nodes] == [lost]


async def test_cancelling_between_tries(two: tuple[Server, ...]) -> None:
    two[0].behave = lambda handler: handler.answer(503, body=b"stopping")
    async with Client("asyncio", target=listed(two), policy="first") as client:
        task = client.aside("GET", "/hang")
        await asyncio.to_thread(two[1].waiting.acquire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.in_flight() == 0
        assert client.failures() == {two[0].endpoint.address: 1}


async def until_traced(client: Client, event: str, path: str = "/") -> None:
    """Cancel a request when it has come so far."""
    reached = asyncio.Event()

    async def trace(name: str, _info: object) -> None:
        if name == event:
            reached.set()

    task = client.aside("GET", path, extensions={"trace": trace})
    await reached.wait()
    await cancelled(client, task)


# Broken answers


@pytest.mark.parametrize("fault", [Handler.reset, Handler.hang_up])
async def test_an_answer_that_breaks_off_is_an_error_that_says_where(
    kind: str, two: tuple[Server, ...], fault: Callable[[Handler], None]
) -> None:
    def behave(handler: Handler) -> None:
        handler.answer(200, {"content-length": "100"}, b"part")
        fault(handler)

    two[0].behave = behave
    async with Client(kind, target=listed(two), policy="first") as client:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError), match=two[0].endpoint.address):
            await client.get()
        assert client.in_flight() == 0
        assert client.failures() == {two[0].endpoint.address: 1}
    assert [len(pod.requests) for pod in two] == [1, 0], "the caller may have seen a part of it"


async def test_a_request_that_cannot_be_is_nobodys_failure(kind: str, two: tuple[Server, ...]) -> None:
    async with Client(kind, target=listed(two)) as client:
        with pytest.raises(httpx.LocalProtocolError):
            await client.get(headers={"bad header": "x"})
        assert client.in_flight() == 0
        assert client.failures() == {}
