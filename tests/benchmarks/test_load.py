"""Open-loop load against a server that stalls. Asserts relations between a run's times, never how long it took."""

import asyncio
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hdrh.histogram import HdrHistogram

from benchmarks.load import IN_FLIGHT, CallError, Load, Request, Schedule, late_with_room, merged, run_asyncio, run_sync
from benchmarks.summary import summarize
from tests.benchmarks.test_plan import QUICK
from tests.benchmarks.test_summary import ARM, STEADY


class Answer(socketserver.StreamRequestHandler):
    """A line for each connection; from the tenth one on nothing, until the stall is over."""

    server: "StallingServer"

    def handle(self) -> None:
        if next(self.server.numbers) == 10:
            self.server.stall = (time.monotonic(), time.monotonic() + 0.4)
        time.sleep(max(0.0, self.server.stall[1] - time.monotonic()))
        self.wfile.write(b"pod\n")


class StallingServer(socketserver.ThreadingTCPServer):
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.numbers = iter(range(1_000_000))
        self.stall = (0.0, 0.0)


@pytest.fixture
def server() -> Iterator[StallingServer]:
    with StallingServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send_sync(server: StallingServer, schedule: Schedule) -> Load:
    def call() -> str:
        with socket.create_connection(("127.0.0.1", server.server_address[1])) as connection:
            return connection.recv(100).decode().strip()

    return run_sync(call, schedule)


def send_asyncio(server: StallingServer, schedule: Schedule) -> Load:
    async def call() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.server_address[1])
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line.decode().strip()

    return asyncio.run(run_asyncio(call, schedule))


@pytest.mark.parametrize("send", [send_sync, send_asyncio])
def test_a_stall_is_felt_by_every_request_due_while_it_lasts(
    server: StallingServer, send: Callable[[StallingServer, Schedule], Load]
) -> None:
    schedule = Schedule.even(time.monotonic(), rate_rps=200.0, count=200)

    load = send(server, schedule)

    begin_s, end_s = (at - schedule.start for at in server.stall)
    stalled = [request for request in load.requests if begin_s < request.due_s < end_s]
    # What each of them has to wait at least, whenever it is sent: the rest of the stall.
    assert all(request.done_s - request.due_s >= end_s - request.due_s for request in stalled)
    assert len(load.requests) == 200
    assert load.dropped == 0
    assert {request.backend for request in load.requests} == {"pod"}
    assert len(stalled) > IN_FLIGHT
    assert all(request.done_s >= end_s for request in stalled)
    assert all(request.due_s <= request.sent_s <= request.done_s for request in load.requests)


@pytest.mark.parametrize("send", [send_sync, send_asyncio])
def test_a_request_that_must_not_be_sent_yet_waits_on_its_own_time(
    server: StallingServer, send: Callable[[StallingServer, Schedule], Load]
) -> None:
    schedule = Schedule.even(time.monotonic(), rate_rps=200.0, count=200)

    load = send(server, schedule)

    begin_s, end_s = (at - schedule.start for at in server.stall)
    late = [request for request in load.requests if begin_s < request.due_s < end_s <= request.sent_s]
    assert late
    assert all(request.done_s - request.due_s > request.done_s - request.sent_s for request in late)


async def test_no_more_are_in_flight_than_a_client_may_have() -> None:
    now, most = 0, 0

    async def call() -> str:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return "pod"

    await run_asyncio(call, Schedule.even(time.monotonic() - 1.0, rate_rps=1000.0, count=500))

    assert most == IN_FLIGHT


def test_requests_come_back_in_the_order_in_which_they_were_due() -> None:
    load = run_sync(lambda: "pod", Schedule.even(time.monotonic(), rate_rps=2000.0, count=100))

    assert [request.due_s for request in load.requests] == [number / 2000 for number in range(100)]


def test_failed_calls_are_recorded_by_kind() -> None:
    def fail() -> str:
        raise CallError("503")

    async def fail_asyncio() -> str:
        raise CallError("UNAVAILABLE")

    schedule = Schedule.even(time.monotonic(), rate_rps=1000.0, count=5)

    assert {(r.backend, r.error) for r in run_sync(fail, schedule).requests} == {(None, "503")}
    assert {(r.backend, r.error) for r in asyncio.run(run_asyncio(fail_asyncio, schedule)).requests} == {
        (None, "UNAVAILABLE")
    }


def test_any_other_error_ends_the_load() -> None:
    def broken() -> str:
        raise KeyError("pod")

    async def broken_asyncio() -> str:
        raise KeyError("pod")

    schedule = Schedule.even(time.monotonic(), rate_rps=1000.0, count=5)

    with pytest.raises(KeyError):
        run_sync(broken, schedule)
    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(run_asyncio(broken_asyncio, schedule))
    assert raised.group_contains(KeyError)


async def test_what_is_too_late_is_dropped_and_counted() -> None:
    async def call_asyncio() -> str:
        return "pod"

    a_minute_ago = Schedule.even(time.monotonic() - 60.0, rate_rps=10.0, count=50)

    assert run_sync(lambda: "pod", a_minute_ago, max_waiting=20) == Load((), 50)
    assert await run_asyncio(call_asyncio, a_minute_ago, max_waiting=20) == Load((), 50)


def histogram(load: Load) -> HdrHistogram:
    encoded = summarize(ARM, QUICK, replace(STEADY, load=load, pods=("pod",))).latency_histogram
    assert encoded
    return HdrHistogram.decode(encoded.encode())


def test_loads_that_clients_shared_are_one_load_and_one_histogram() -> None:
    def shared(number: int) -> Load:
        return Load(
            tuple(Request(at / 100, at / 100, at / 100 + at / 1000, "pod", None) for at in range(number, 100, 3)),
            number,
        )

    parts = [shared(number) for number in range(3)]
    whole = merged(parts)

    assert whole.dropped == 3
    assert [request.due_s for request in whole.requests] == [at / 100 for at in range(100)]
    added = histogram(parts[0])
    for part in parts[1:]:
        added.add(histogram(part))
    assert added.encode() == histogram(whole).encode()


def test_a_request_is_late_by_the_clients_fault_if_it_had_a_slot_for_it() -> None:
    busy = [Request(0.0, 0.0, 1.0, "pod", None)] * IN_FLIGHT

    assert late_with_room([Request(0.5, 0.6, 0.7, "pod", None)]) == 1
    assert late_with_room([Request(0.5, 0.5, 0.7, "pod", None)]) == 0
    assert late_with_room([*busy, Request(0.5, 1.0, 1.1, "pod", None)]) == 0
    assert late_with_room([*busy, Request(1.2, 1.3, 1.4, "pod", None)]) == 1


def test_what_has_ended_can_be_watched() -> None:
    ended: list[Request] = []

    load = run_sync(lambda: "pod", Schedule.even(time.monotonic(), rate_rps=1000.0, count=5), ended=ended)

    assert sorted(ended) == list(load.requests)
