"""What the numbers of the watch's benchmark rest on: a server like a real one, clients that see all of it, an end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import multiprocessing
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from benchmarks import process
from benchmarks.lab import certificates
from benchmarks.process import ClientError
from benchmarks.watching import client, server, slices
from benchmarks.watching.client import WAYS, Followed, Follower, Way
from benchmarks.watching.course import LISTED, Change, Course
from benchmarks.watching.process import Pair
from benchmarks.watching.result import Cpu, Latency, targets
from tests.discovery.recordings import recorded


def shape(value: Any) -> Any:
    """Keys and types, in their order; of a list those that differ."""
    match value:
        case dict():
            return [("k:" if key.startswith("k:") else key, shape(each)) for key, each in value.items()]
        case list():
            return list({repr(shape(each)): shape(each) for each in value}.values())
        case _:
            return type(value)


def test_events_are_shaped_as_those_of_a_real_cluster() -> None:
    full = (body for kind, body in recorded("many-slices") if kind == "event" and len(body["object"]["endpoints"]) > 99)
    (event, *_) = Course(1, alone=1).play("orders").events
    assert shape(json.loads(event.line)) == shape(next(full))


def test_a_list_is_shaped_as_that_of_a_real_cluster() -> None:
    kind, body = next(recorded("many-slices"))
    assert kind == "list"
    assert shape(json.loads(Course(2).play("orders").listed)) == shape(body)


def test_a_bookmark_is_shaped_as_that_of_a_real_cluster() -> None:
    real = next(body for kind, body in recorded("bookmarks") if kind == "event")
    assert shape(slices.bookmark(1)) == shape(real)


@pytest.mark.parametrize("change", ["condition", "addition"])
def test_each_event_that_counts_changes_one_endpoint(change: Change) -> None:
    course = Course.counting(40, slices=2, change=change, pause_s=0.0)
    play = course.play("orders")
    known = {item["metadata"]["name"]: item["endpoints"] for item in json.loads(play.listed)["items"]}
    assert sum(event.counted for event in play.events) == 40
    assert [event.version for event in play.events] == list(range(LISTED + 1, course.last + 1))
    for event in play.events:
        changed = json.loads(event.line)["object"]
        before, after = known[changed["metadata"]["name"]], changed["endpoints"]
        if event.counted:
            new = [each for each in after if each not in before]
            assert [each["conditions"]["ready"] for each in new] == [change == "addition" or event.version % 2 == 0]
            assert len(after) - len(before) == (1 if change == "addition" else 0)
        known[changed["metadata"]["name"]] = after
    addresses = [each["addresses"][0] for each in itertools.chain(*known.values())]
    assert len(set(addresses)) == len(addresses) == play.ready


@contextlib.asynccontextmanager
async def served(course: Course) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server on which nothing is published."""
    heard, tells = multiprocessing.Pipe(duplex=False)
    ended = asyncio.Event()
    with heard, tells:
        api = server.Api(course, server.Client(heard))

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await api.serve(reader, writer)
            await writer.wait_closed()
            ended.set()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as asking:
                yield asking
            await ended.wait()
        asyncio.get_running_loop().remove_reader(heard.fileno())


ORDERS = {"labelSelector": "kubernetes.io/service-name=orders-0"}


async def test_a_streaming_list_is_refused_as_by_a_server_that_has_none() -> None:
    async with served(Course(1)) as asking:
        query = {**ORDERS, "watch": "true", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        response = await asking.get(server.PATH, params=query)

        assert (response.status_code, response.json()["kind"], response.json()["reason"]) == (422, "Status", "Invalid")
        assert (await asking.get(server.PATH, params=ORDERS)).json()["metadata"]["resourceVersion"] == str(LISTED)


async def test_a_service_that_there_is_not_is_not_found() -> None:
    async with served(Course(1)) as asking:
        response = await asking.get(server.PATH, params={"labelSelector": "kubernetes.io/service-name=invoices"})
        assert response.status_code == 404


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with TemporaryDirectory() as folder:
        issued = certificates.issue(Path(folder), "127.0.0.1")
        yield Pair(process.context([client.__name__, server.__name__]), issued, limit_s=60.0)


@pytest.mark.parametrize("way", WAYS)
def test_every_client_sees_the_last_of_it(pair: Pair, way: Way) -> None:
    course = Course(2, alone=3, together=4)
    report, played = pair.measure(course, Follower(way, LISTED, course.last))
    assert isinstance(report, Followed)
    assert report.ready == (None if way == "official-iterated" else 199)
    assert played.ready == 199
    assert {LISTED, LISTED + 1, LISTED + 2, LISTED + 3, course.last} <= set(report.published_at)


@pytest.mark.parametrize("way", WAYS)
def test_an_event_alone_waits_for_the_one_before(pair: Pair, way: Way) -> None:
    course = Course(1, alone=12)
    report, played = pair.measure(course, Follower(way, LISTED, course.last))
    assert isinstance(report, Followed)
    for version in range(LISTED + 1, course.last + 1):
        assert report.published_at[version - 1] <= played.sent_at[version] <= report.published_at[version]


@pytest.mark.parametrize("way", ["resolver", "official"])
def test_a_client_that_waits_in_vain_is_ended(pair: Pair, way: Way) -> None:
    impatient = Pair(pair.processes, pair.certificates, limit_s=1.0)
    with pytest.raises(ClientError, match="process said nothing for 1 s"):
        impatient.measure(Course(1, alone=1), Follower(way, LISTED, LISTED + 2))
    assert multiprocessing.active_children() == []


def test_a_client_that_cannot_go_on_says_why(pair: Pair) -> None:
    with pytest.raises(ClientError, match="KeyError: 'nosuch'"):
        pair.measure(Course(1), Follower("nosuch", LISTED, LISTED))  # type: ignore[arg-type]


def test_targets_say_what_was_missed() -> None:
    def cpu(way: Way, endpoints: int, us: float) -> Cpu:
        return Cpu(way, endpoints, "single", 10, us, (us,), 10)

    measured = [
        cpu("resolver", 100, 10),
        cpu("official", 100, 80),
        cpu("resolver", 1000, 10),
        cpu("official", 1000, 79),
    ]
    latency = [Latency("condition", 100, 10, 1.0, 4.9, 9.0, 0.0), Latency("addition", 100, 10, 1.0, 5.0, 9.0, 0.0)]

    met = {(each.name, each.met) for each in targets(measured, latency)}

    assert met == {
        ("CPU at 100 endpoints, single events: official / ours at least 8", True),
        ("CPU at 1,000 endpoints, single events: official / ours at least 8", False),
        ("p99 at 100 endpoints, condition: under 5 ms", True),
        ("p99 at 100 endpoints, addition: under 5 ms", False),
    }
