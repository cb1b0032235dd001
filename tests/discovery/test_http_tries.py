"""What the HTTP transports try again, where, and for how long."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

import discovery.http
from discovery import Balancer, Balancing, Endpoint, Outcome, RetryBudget
from discovery.http import _rules as rules
from discovery.http._exchange import Exchange, Exchanges
from discovery.http._way import Way
from discovery.retries import Ran
from discovery.testing import FakeClock, ManualResolver
from tests.discovery.http_servers import Client, Handler, Server, listed, servers


@pytest.fixture(params=["sync", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def two() -> Iterator[tuple[Server, Server]]:
    with servers(2) as (first, second):
        yield first, second


UNJUDGED = Balancing(outliers=None)
"""With it a test may fail as often as it likes and finds the endpoints in their order."""


def asked(pods: tuple[Server, ...]) -> list[int]:
    """How many requests each got."""
    return [len(pod.requests) for pod in pods]


def body(kind: str) -> Any:
    """A body that can be sent once."""

    def parts() -> Iterator[bytes]:
        yield from (b"he", b"llo")

    async def async_parts() -> AsyncIterator[bytes]:
        for part in parts():
            yield part

    return parts() if kind == "sync" else async_parts()


class Twice:
    """A body that can be sent again."""

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"he", b"llo")


class AsyncTwice:
    """The same, for asyncio."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in (b"he", b"llo"):
            yield part


# What never left


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_connection_goes_to_another_endpoint(kind: str, method: str) -> None:
    with servers(1) as (gone,):
        pass
    with servers(1) as (there,):
        async with Client(kind, target=listed((gone, there)), policy="first") as client:
            response = await client.request(method, "/", content=body(kind))
            assert response.json()["body"] == "hello", "a stream that nobody has begun to read can be sent elsewhere"
            assert response.extensions["discovery"] == {"endpoint": Endpoint(*there.server_address), "tries": 2}
            assert client.failures() == {gone.endpoint.address: 1}


async def test_the_last_refusal_is_httpx_own_error_and_says_all(kind: str) -> None:
    with servers(2) as gone:
        target = listed(gone)
    async with Client(kind, target=target, policy="first") as client:
        with pytest.raises(httpx.ConnectError) as raised:
            await client.get()
        assert sum(client.failures().values()) == 3
        assert client.in_flight() == 0
    assert type(raised.value) is httpx.ConnectError
    assert str(raised.value.request.url) == "http://orders.shop/"
    text = str(raised.value)
    assert text.startswith(f"{target}: ")
    assert any(pod.endpoint.address in text.removeprefix(target) for pod in gone)
    assert "refused" in text or "connection attempts failed" in text
    assert "3 tries; source ok, 2 endpoints" in text


# What may have been carried out


@pytest.mark.parametrize("fault", [Handler.reset, Handler.hang_up])
async def test_a_lost_connection_is_another_endpoints_matter_only_if_idempotent(
    kind: str, two: tuple[Server, Server], fault: Callable[[Handler], None]
) -> None:
    two[0].behave = fault
    async with Client(kind, target=listed(two), policy="first", balancing=UNJUDGED) as client:
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
            response = await client.request(method, "/", content=b"hello")
            assert response.extensions["discovery"]["endpoint"].port == two[1].server_port
        assert asked(two) == [5, 5]
        assert {seen["body"] for seen in two[1].requests} == {"hello"}
        for method in ("POST", "PATCH"):
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError), match=two[0].endpoint.address):
                await client.request(method, "/", content=b"hello")
        assert asked(two) == [7, 5], "nobody else got what may have been carried out"


async def test_a_connection_that_the_server_closed_while_idle_is_no_matter_for_idempotent_methods(kind: str) -> None:
    def once(handler: Handler) -> None:
        """As if it had been closed just before: the first request of a connection is answered, the next is not."""
        if handler in served:
            handler.hang_up()
        else:
            served.add(handler)
            handler.answer()

    served: set[Handler] = set()
    with servers(1) as (pod,):
        pod.behave = once
        async with Client(kind, target=listed((pod,))) as client:
            assert [(await client.get()).extensions["discovery"]["tries"] for _ in range(4)] == [1, 2, 2, 2]
            with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
                await client.request("POST", "/")
            assert pod.connections == 4


async def test_idle_connections_are_let_go_of_before_uvicorn_closes_them(kind: str, two: tuple[Server, Server]) -> None:
    expiry_s = rules.LIMITS.keepalive_expiry
    assert expiry_s is not None
    assert expiry_s < 5, "uvicorn's timeout_keep_alive"


async def test_a_body_can_be_sent_again_if_it_says_so(kind: str, two: tuple[Server, Server]) -> None:
    two[0].behave = Handler.reset
    twice = Twice() if kind == "sync" else AsyncTwice()
    async with Client(kind, target=listed(two), policy="first") as client:
        with pytest.raises(httpx.ReadError):
            await client.request("PUT", "/", content=twice)
        with pytest.raises(httpx.ReadError):
            await client.request("PUT", "/", content=body(kind))
        assert asked(two) == [2, 0]
        wishes = {"discovery": {"replayable": True}}
        assert (await client.request("PUT", "/", content=twice, extensions=wishes)).json()["body"] == "hello"
        assert asked(two) == [3, 1]


async def test_a_request_may_say_what_it_is(kind: str, two: tuple[Server, Server]) -> None:
    two[0].behave = Handler.reset
    async with Client(kind, target=listed(two), policy="first") as client:
        response = await client.request("POST", "/", content=b"x", extensions={"discovery": {"idempotent": True}})
        assert response.json()["pod"] == "pod-1"
        for wishes in ({"idempotent": False}, {"tries": 1}):
            with pytest.raises(httpx.ReadError):
                await client.get(extensions={"discovery": wishes})
        assert asked(two) == [3, 1]


async def test_there_are_no_more_tries_than_the_budget_has(kind: str, two: tuple[Server, Server]) -> None:
    for pod in two:
        pod.behave = Handler.reset
    budget = RetryBudget(ratio=0.0, min_per_s=0.2)  # two in its window of 10 s
    async with Client(kind, target=listed(two), balancing=Balancing(retry_budget=budget)) as client:
        for _ in range(3):
            with pytest.raises(httpx.ReadError):
                await client.get()
    assert sum(asked(two)) == 3 + 2


# Answers


async def test_a_503_is_asked_for_elsewhere_while_there_is_an_elsewhere(kind: str, two: tuple[Server, Server]) -> None:
    def refuse(handler: Handler) -> None:
        handler.answer(503, body=b"stopping")

    two[0].behave = refuse
    async with Client(kind, target=listed(two), policy="first") as client:
        response = await client.get()
        assert (response.status_code, response.extensions["discovery"]["tries"]) == (200, 2)
        response = await client.request("POST", "/")
        assert (response.status_code, response.text, response.extensions["discovery"]["tries"]) == (503, "stopping", 1)
        two[1].behave = refuse
        response = await client.get()
        assert (response.status_code, response.text, response.extensions["discovery"]["tries"]) == (503, "stopping", 2)
        assert client.in_flight() == 0
        assert asked(two) == [3, 2]
        assert sum(client.failures().values()) == 4


@pytest.mark.parametrize(
    ("status", "failures", "penalty"), [(200, 0, 0), (404, 0, 0), (429, 0, 1), (500, 0, 0), (502, 1, 1), (504, 1, 1)]
)
async def test_no_other_status_is_tried_again(kind: str, status: int, failures: int, penalty: int) -> None:
    with servers(2) as pods:
        for pod in pods:
            pod.behave = lambda handler: handler.answer(status, body=b"")
        async with Client(kind, target=listed(pods), policy="first") as client:
            assert (await client.get()).status_code == status
            assert sum(client.failures().values()) == failures
            assert [node.penalty for node in client.balancer._pool.nodes] == [penalty, 0]
        assert asked(pods) == [1, 0]


async def test_what_an_outcome_is_may_be_said(kind: str, two: tuple[Server, Server]) -> None:
    def outcome(ended: httpx.Response | BaseException) -> Outcome:
        if isinstance(ended, httpx.Response):
            return Outcome.FAILURE if ended.status_code == 418 else Outcome.SUCCESS
        return discovery.http.outcome(ended)

    async with Client(kind, target=listed(two), policy="first", outcome=outcome) as client:
        two[0].behave = lambda handler: handler.answer(503, body=b"")
        assert (await client.get()).status_code == 503, "a success is nothing to try again"
        assert client.failures() == {}
        two[0].behave = lambda handler: handler.answer(418, body=b"")
        assert (await client.get()).status_code == 418
        assert client.failures() == {two[0].endpoint.address: 1}


def test_the_default_outcomes() -> None:
    def of(error: BaseException) -> Outcome:
        return discovery.http.outcome(error)

    for error in (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.ReadTimeout, httpx.RemoteProtocolError):
        assert of(error("")) is Outcome.FAILURE
    for raw in (ConnectionResetError(), ssl.SSLError()):
        assert of(raw) is Outcome.FAILURE
    for other in (asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt(), httpx.PoolTimeout(""), ValueError()):
        assert of(other) is Outcome.CANCELLED
    assert of(httpx.LocalProtocolError("illegal header")) is Outcome.CANCELLED


# Wishes


async def test_a_key_and_what_to_avoid_reach_the_policy(kind: str, two: tuple[Server, Server]) -> None:
    async with Client(kind, target=listed(two), policy="ring_hash") as client:
        pods = {
            key: {(await client.get(extensions={"discovery": {"key": key}})).json()["pod"] for _ in range(3)}
            for key in map(str, range(16))
        }
        assert all(len(each) == 1 for each in pods.values())
        assert set.union(*pods.values()) == {"pod-0", "pod-1"}
        for pod in two:
            wishes = {"avoid": [Endpoint(*pod.server_address)]}
            assert (await client.get(extensions={"discovery": wishes})).json()["pod"] != pod.name


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"kei": "a"}, "no kei; it has key, avoid, idempotent, replayable, tries"),
        ({"key": 7}, "key is text, and not 7"),
        ({"avoid": ["10.0.0.1:80"]}, r"collection of Endpoints, not \['10.0.0.1:80'\]"),
        ({"tries": 0}, "tries is 0"),
    ],
)
async def test_a_wish_that_there_is_not_is_an_error(kind: str, wishes: dict[str, Any], message: str) -> None:
    async with Client(kind, target="static:///10.0.0.1:80") as client:
        with pytest.raises((TypeError, ValueError), match=message):
            await client.get(extensions={"discovery": wishes})


async def test_where_there_is_no_room_it_is_a_pool_timeout(kind: str, two: tuple[Server, Server]) -> None:
    limit = Balancing(max_in_flight=1)
    timeout = httpx.Timeout(30, pool=0.05)
    async with Client(kind, target=listed(two[:1]), balancing=limit, timeout=timeout) as client:
        await client.get()
        first = client.aside("GET", "/hang")
        await asyncio.to_thread(two[0].waiting.acquire)
        with pytest.raises(httpx.PoolTimeout, match=r"1 requests in flight, the most.*source ok") as raised:
            await client.get()
        assert type(raised.value) is discovery.http.Overloaded
        two[0].go_on.set()
        assert (await first).status_code == 200
        assert client.failures() == {}


# Time


class Driven:
    """An exchange whose tries the test makes, each of which takes what the test says."""

    def __init__(self, timeout: dict[str, float | None], **balancing: Any) -> None:
        self.clock = FakeClock()
        self.balancer = Balancer(
            resolver=ManualResolver(*(Endpoint("10.0.0.1", port) for port in (1, 2, 3, 4, 5))),
            balancing=Balancing(**balancing),
        )
        self.balancer.pick().done()
        exchanges = Exchanges(self.balancer, None, rules.outcome, self.clock)
        self.exchange: Exchange = exchanges.begin(
            httpx.Request("GET", "http://orders/", extensions={"timeout": timeout})
        )
        assert self.exchange.picked()
        self.limits: dict[str, float | None] = {}

    def addressed(self) -> httpx.Request:
        way = Way(httpx.MockTransport(lambda _: httpx.Response(200)), self.exchange.lease.endpoint)
        return self.exchange.addressed(way)

    def fails(self, error: Exception, after_s: float) -> bool:
        self.limits = self.addressed().extensions["timeout"]
        self.clock.advance(after_s)
        return self.exchange.goes_on(error)


Drive = Callable[..., Driven]


@pytest.fixture
def drive() -> Iterator[Drive]:
    """Make a `Driven`."""
    with ExitStack() as stack:

        def made(timeout: dict[str, float | None], **balancing: Any) -> Driven:
            driven = Driven(timeout, **balancing)
            stack.enter_context(driven.balancer)
            return driven

        yield made


def test_the_time_to_connect_is_shared_out_over_the_tries(drive: Drive) -> None:
    driven = drive({"connect": 6.0, "read": 5.0, "write": 5.0, "pool": 5.0})
    refused = httpx.ConnectTimeout("")
    assert driven.fails(refused, 2.0)
    assert driven.limits == {"connect": 2.0, "read": 5.0, "write": 5.0, "pool": 5.0}
    assert driven.fails(httpx.ConnectError(""), 0.5)
    assert driven.limits["connect"] == 2.0
    assert not driven.fails(refused, 3.5)
    assert driven.limits["connect"] == 3.5, "the last one has all that is left"


def test_no_try_has_less_than_a_second_to_connect_as_long_as_there_is_one(drive: Drive) -> None:
    driven = drive({"connect": 1.5})
    assert driven.fails(httpx.ConnectTimeout(""), 1.0)
    assert driven.limits["connect"] == 1.0
    assert not driven.fails(httpx.ConnectTimeout(""), 0.5)
    assert driven.limits["connect"] == 0.5


def test_the_only_try_has_all_the_time(drive: Drive) -> None:
    driven = drive({"connect": 6.0}, tries=1)
    assert not driven.fails(httpx.ConnectError(""), 0.0)
    assert driven.limits["connect"] == 6.0


def test_a_try_that_fails_in_the_middle_leaves_the_next_the_time_that_it_has_not_used(drive: Drive) -> None:
    driven = drive({"connect": 3.0, "read": 5.0})
    assert driven.fails(httpx.ReadError(""), 4.0)
    assert driven.limits["read"] == 5.0
    sent = driven.addressed()
    assert sent.extensions["timeout"] == {"connect": 1.5, "read": 1.0}
    assert driven.exchange.accepts(httpx.Response(200))
    assert sent.extensions["timeout"]["read"] == 5.0, "each part of the body has the caller's own"


@pytest.mark.parametrize("error", [httpx.ReadTimeout(""), httpx.WriteTimeout(""), httpx.PoolTimeout("")])
def test_a_limit_that_is_over_is_over(drive: Drive, error: Exception) -> None:
    assert not drive({"connect": None, "read": None, "write": None, "pool": None}).fails(error, 0.0)


def test_without_limits_there_are_none(drive: Drive) -> None:
    driven = drive({"connect": None, "read": None, "write": None, "pool": None})
    assert driven.fails(httpx.ReadError(""), 1e6)
    assert driven.fails(httpx.ConnectError(""), 1e6)
    assert set(driven.limits.values()) == {None}
    assert not driven.fails(httpx.ConnectError(""), 0.0)


def test_time_that_is_over_is_not_tried_again(drive: Drive) -> None:
    assert not drive({"read": 5.0}).fails(httpx.ReadError(""), 5.0)


# What errors mean


def test_what_errors_say_about_the_request() -> None:
    assert rules.ran(httpx.ConnectError("")) is Ran.NO
    assert rules.ran(httpx.ReadError("")) is Ran.MAYBE
    for error in (httpx.UnsupportedProtocol(""), httpx.LocalProtocolError(""), ValueError(), asyncio.CancelledError()):
        assert rules.ran(error) is None
