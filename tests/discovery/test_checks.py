"""Active checks over HTTP, on real servers: who is sick gets nothing, and nothing is left of a check that is over."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trustme

from discovery import Balancer, HttpCheck, runtime
from discovery.checks import _http
from discovery.checks._http import Asking
from discovery.model import Endpoint
from discovery.runtime import LoopEvent
from discovery.testing import ManualResolver
from tests.discovery.http_servers import Client, Server, servers
from tests.discovery.test_process import FDS, held

SOON = HttpCheck("/healthz", interval_s=0.01, timeout_s=30.0, unhealthy_after=2)


@pytest.fixture(params=["sync", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def three() -> Iterator[tuple[Server, ...]]:
    with servers(3) as started:
        yield started


def resolver(*pods: Server) -> ManualResolver:
    return ManualResolver(*(pod.endpoint for pod in pods))


def sick(balancer: Balancer) -> set[str]:
    """The names of those who are."""
    return {each.endpoint.name for each in balancer.snapshot().endpoints if each.sick}


async def until(balancer: Balancer, condition: Callable[[], bool]) -> None:
    """Wait for a change that makes it true."""
    changed = LoopEvent()
    with balancer.listening(changed.set_threadsafe):
        while not condition():
            await changed.wait()
            changed.clear()


async def acquired(semaphore: threading.Semaphore) -> None:
    """Wait for it in a thread that holds up nobody if it never comes."""
    over = LoopEvent()

    def wait() -> None:
        semaphore.acquire()
        over.set_threadsafe()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    await over.wait()
    thread.join()


async def checks_that_run(*, at_most: int) -> int:
    """How many endpoints are being checked in this process, once there are no more than that."""

    async def count() -> None:
        while len(running := [each for each in asyncio.all_tasks() if "Checked._watch" in repr(each)]) > at_most:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        counted.append(len(running))

    counted: list[int] = []
    await asyncio.wrap_future(runtime.submit(count()))
    return counted[0]


async def test_who_is_sick_gets_no_request_until_it_is_well_again(kind: str, three: tuple[Server, ...]) -> None:
    async with Client(kind, resolver=resolver(*three), policy="round_robin", check=SOON) as client:
        assert await client.pods(6) == {"pod-0": 2, "pod-1": 2, "pod-2": 2}
        three[0].health = lambda: 503
        await until(client.balancer, lambda: sick(client.balancer) == {"pod-0"})
        assert await client.pods(6) == {"pod-1": 3, "pod-2": 3}
        three[0].health = lambda: 200
        await until(client.balancer, lambda: not sick(client.balancer))
        assert await client.pods(6) == {"pod-0": 2, "pod-1": 2, "pod-2": 2}


async def test_where_all_are_sick_all_are_used(kind: str, three: tuple[Server, ...]) -> None:
    for pod in three:
        pod.health = lambda: 500
    async with Client(kind, resolver=resolver(*three), policy="round_robin", check=SOON) as client:
        client.balancer.start()
        await until(client.balancer, lambda: len(sick(client.balancer)) == 3)
        assert await client.pods(6) == {"pod-0": 2, "pod-1": 2, "pod-2": 2}


async def test_only_so_many_in_a_row_make_a_difference() -> None:
    answers = iter([503, 503, 200, 503, 503, 200, 503, 503, 503, 200, 503, 200, 200])
    check = HttpCheck("/healthz", interval_s=0.01, timeout_s=30.0, unhealthy_after=3, healthy_after=2)
    with servers(1) as (pod,):
        pod.health = lambda: next(answers, 200)
        async with Balancer(resolver=resolver(pod), check=check) as balancer:
            balancer.start()
            await until(balancer, lambda: bool(sick(balancer)))
            assert len(pod.checks) >= 9
            await until(balancer, lambda: not sick(balancer))
            assert len(pod.checks) >= 13


async def test_an_answer_that_is_late_does_not_pass(caplog: pytest.LogCaptureFixture) -> None:
    check = HttpCheck("/healthz", interval_s=0.01, timeout_s=0.05, unhealthy_after=1)
    with servers(1) as (pod,):
        pod.health = lambda: None
        async with Balancer(resolver=resolver(pod), check=check) as balancer:
            balancer.start()
            await until(balancer, lambda: bool(sick(balancer)))
            # Given up, not left alone.
            await acquired(pod.closed_connections)
        (record,) = caplog.records
    why = "it did not answer within 0.05 s"
    assert record.getMessage() == f"{pod.endpoint} fails its check of /healthz: {why}"
    assert (vars(record)["endpoint"], vars(record)["error"]) == (str(pod.endpoint), why)


async def test_a_check_is_no_request_in_flight_and_until_its_answer_the_endpoint_is_well(kind: str) -> None:
    with servers(1) as (pod,):
        pod.health = lambda: None
        async with Client(kind, resolver=resolver(pod), check=SOON) as client:
            client.balancer.start()
            await acquired(pod.checked)
            assert client.in_flight() == 0
            assert await client.pods(3) == {"pod-0": 3}
            (state,) = client.balancer.snapshot().endpoints
            assert (state.ready, state.sick, state.failures) == (True, False, 0)


@pytest.mark.parametrize("status", [200, 204, 301, 399])
async def test_what_passes_for_kubelet_passes(status: int) -> None:
    with servers(1) as (pod,):
        pod.health = lambda: status
        assert await Asking(HttpCheck("/healthz")).trouble(pod.endpoint) is None
        assert len(pod.checks) == 1


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_what_does_not_pass_says_why(status: int) -> None:
    with servers(1) as (pod,):
        pod.health = lambda: status
        assert await Asking(HttpCheck("/healthz")).trouble(pod.endpoint) == f"it answered {status}"
    assert "attempts failed" in str(await Asking(HttpCheck("/healthz")).trouble(pod.endpoint))


async def test_another_port_and_host_may_be_asked() -> None:
    with servers(1) as (pod,):
        elsewhere = Endpoint("127.0.0.1", 1)
        assert await Asking(HttpCheck("/healthz", port=pod.server_port)).trouble(elsewhere) is None
        assert await Asking(HttpCheck("/healthz", host="orders.shop")).trouble(pod.endpoint) is None
    assert [check["host"] for check in pod.checks] == [f"127.0.0.1:{pod.server_port}", "orders.shop"]
    assert {check["user-agent"] for check in pod.checks} == {"discovery-check"}


async def test_each_check_has_a_connection_of_its_own() -> None:
    with servers(1) as (pod,):
        asking = Asking(HttpCheck("/healthz"))
        assert [await asking.trouble(pod.endpoint) for _ in range(3)] == [None] * 3
        assert pod.connections == 3


async def test_a_check_that_is_cancelled_at_whatever_moment_leaves_no_connection() -> None:
    with servers(1) as (pod,):
        asking = Asking(HttpCheck("/healthz", timeout_s=30.0))
        for turns in range(40):
            task = asyncio.ensure_future(asking.trouble(pod.endpoint))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
    transports = [each for each in gc.get_objects() if isinstance(each, asyncio.Transport)]
    loop = asyncio.get_running_loop()
    assert not [each for each in transports if getattr(each, "_loop", None) is loop and not each.is_closing()]


async def test_over_https_the_name_is_verified() -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    pod = Server("pod-0")
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("orders.shop").configure_cert(ours)
    pod.socket = ours.wrap_socket(pod.socket, server_side=True)
    with pod:
        for check, passes in (
            (HttpCheck("/healthz", verify=trusting, host="orders.shop"), True),
            (HttpCheck("/healthz", verify=False), True),
            (HttpCheck("/healthz", verify=trusting), False),
            (HttpCheck("/healthz", verify=True, host="orders.shop"), False),
        ):
            trouble = await Asking(check).trouble(pod.endpoint)
            assert trouble is None if passes else "certificate verify failed" in str(trouble)


async def test_only_so_many_are_asked_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    send, sending, busiest = httpx.AsyncHTTPTransport.handle_async_request, 0, 0

    async def counted(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        nonlocal sending, busiest
        sending += 1
        busiest = max(busiest, sending)
        try:
            return await send(transport, request)
        finally:
            sending -= 1

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", counted)
    monkeypatch.setattr(_http, "AT_A_TIME", 2)
    with servers(1) as (pod,):
        asking = Asking(HttpCheck("/healthz", timeout_s=30.0))
        assert await asyncio.gather(*(asking.trouble(pod.endpoint) for _ in range(9))) == [None] * 9
    assert busiest == 2


@asynccontextmanager
async def being_checked(*pods: Server) -> AsyncIterator[tuple[Balancer, ManualResolver]]:
    """A balancer of servers that do not answer, each of which is being asked now."""
    for pod in pods:
        pod.health = lambda: None
    source = resolver(*pods)
    async with Balancer(resolver=source, check=SOON) as balancer:
        balancer.start()
        for pod in pods:
            await acquired(pod.checked)
        yield balancer, source


async def test_an_endpoint_that_left_is_not_checked_any_more(three: tuple[Server, ...]) -> None:
    async with being_checked(*three) as (balancer, source):
        assert await checks_that_run(at_most=3) == 3
        source.update(*(pod.endpoint for pod in three[1:]))
        await acquired(three[0].closed_connections)
        assert await checks_that_run(at_most=2) == 2
        assert len(balancer.snapshot().endpoints) == 2


@pytest.mark.skipif(not FDS.is_dir(), reason="this system does not list the open files of a process in /proc")
async def test_nothing_is_left_of_the_checks_of_a_balancer_that_is_closed(three: tuple[Server, ...]) -> None:
    async with being_checked(three[0]):
        pass  # starts the threads that the process keeps
    await over(three[0])
    before = held()
    async with being_checked(*three):
        assert await checks_that_run(at_most=3) == 3
    await over(*three)
    assert await checks_that_run(at_most=0) == 0
    assert held() == before


async def over(*pods: Server) -> None:
    """Wait until each of them has seen the end of a connection, and is done with it."""
    for pod in pods:
        await acquired(pod.closed_connections)
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            await asyncio.to_thread(thread.join)


async def test_a_balancer_that_is_dropped_checks_no_more() -> None:
    with servers(1) as (pod,):
        balancer = Balancer(resolver=resolver(pod), check=SOON)
        balancer.start()
        await acquired(pod.checked)
        del balancer
        gc.collect()
        assert await checks_that_run(at_most=0) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_a_child_checks_for_itself_once_it_picks(three: tuple[Server, ...]) -> None:
    async with Balancer(resolver=resolver(*three), check=SOON) as balancer:
        balancer.pick().done()
        await acquired(three[0].checked)
        child = os.fork()
        if child == 0:
            nothing_runs = threading.active_count() == 1
            balancer.pick().done()
            changed = threading.Event()
            with balancer.listening(changed.set):
                while sick(balancer) != {"pod-0"}:
                    changed.wait()
                    changed.clear()
            assert balancer._checked is not None
            ours = set(balancer._checked._running) == set(balancer._pool.nodes)
            os._exit(0 if nothing_runs and ours else 1)
        three[0].health = lambda: 503
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        await until(balancer, lambda: sick(balancer) == {"pod-0"})


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ({"path": "healthz"}, r"'healthz'\): a path begins with a slash, as in HttpCheck\('/healthz'\)"),
        ({"interval_s": 0}, "interval_s=0"),
        ({"timeout_s": -1.0}, "timeout_s=-1.0"),
        ({"unhealthy_after": 0}, "unhealthy_after=0"),
        ({"healthy_after": 0}, "healthy_after=0"),
        ({"port": 65536}, "port=65536"),
    ],
)
def test_what_makes_no_sense_is_named(arguments: dict[str, object], culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        HttpCheck(**{"path": "/healthz", **arguments})  # type: ignore[arg-type]


def test_without_httpx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "discovery.checks._http")
    with pytest.raises(ModuleNotFoundError, match=r"HttpCheck needs the package httpx: pip install discovery-lb\[http"):
        Balancer("static:///10.0.0.1:80", check=SOON)
