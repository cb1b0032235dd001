"""Each misbehaviour of the API server: what a client sees of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from benchmarks.lab.api import ApiServer
from benchmarks.lab.errors import LabError
from benchmarks.lab.faults import Faults
from benchmarks.lab.kinds import ENDPOINT_SLICE, POD
from benchmarks.lab.store import Store
from benchmarks.lab.store_errors import ExpiredError

from .served import TOKEN

SLICES = ENDPOINT_SLICE.path("default")
PODS = POD.path("default")


def pod(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": []}}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def server(store: Store, faults: Faults) -> AsyncIterator[ApiServer]:
    async with ApiServer(store, host="127.0.0.1", port=0, tokens=[TOKEN], faults=faults) as running:
        yield running


@pytest.fixture
async def http(server: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False, timeout=30) as connected:
        yield connected


@asynccontextmanager
async def watching(http: httpx.AsyncClient, version: int = 1) -> AsyncIterator[AsyncIterator[bytes]]:
    """The chunks of a watch of pods."""
    query = {"watch": "1", "resourceVersion": str(version)}
    async with http.stream("GET", PODS, params=query) as response:
        assert response.status_code == 200
        yield response.aiter_raw()


async def text_of(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def events(text: bytes) -> list[str]:
    """The names of the pods that the lines of a watch tell of."""
    return [json.loads(line)["object"]["metadata"]["name"] for line in text.split(b"\n") if line]


async def is_silent(http: httpx.AsyncClient, path: str = PODS) -> bool:
    """Whether a request is sent whole and not answered."""
    try:
        await http.get(path, timeout=httpx.Timeout(30, read=0.1))
    except httpx.ReadTimeout:
        return True
    return False


@pytest.mark.parametrize(
    ("name", "code", "reason", "retry_after"),
    [
        ("too_many_requests", 429, "TooManyRequests", "1"),
        ("internal_error", 500, "InternalError", None),
        ("too_large_version", 504, "Timeout", "1"),
        ("unauthorized", 401, "Unauthorized", None),
        ("forbidden", 403, "Forbidden", None),
    ],
)
async def test_a_refusal_is_a_status(
    http: httpx.AsyncClient, faults: Faults, name: str, code: int, reason: str, retry_after: str | None
) -> None:
    with getattr(faults, name)():
        answer = await http.get(PODS)
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (code, code, reason)
    assert answer.headers.get("retry-after") == retry_after
    assert (await http.get(PODS)).status_code == 200


async def test_an_older_server_refuses_streamed_lists_and_nothing_else(http: httpx.AsyncClient, faults: Faults) -> None:
    watch = f"{PODS}?watch=1&timeoutSeconds=1"
    streamed = f"{watch}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    assert (await http.get(streamed)).status_code == 200
    with faults.no_streamed_lists():
        answer = await http.get(streamed)
        assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
        assert "WatchList feature gate" in answer.json()["message"]
        assert [(await http.get(path)).status_code for path in (watch, PODS)] == [200, 200]


async def test_a_fault_meets_as_many_requests_as_it_was_told(http: httpx.AsyncClient, faults: Faults) -> None:
    fault = faults.internal_error(count=2)
    assert fault.in_force
    assert [(await http.get(PODS)).status_code for _ in range(3)] == [500, 500, 200]
    assert faults.in_force == ()


async def test_a_fault_meets_the_requests_that_it_is_for(http: httpx.AsyncClient, faults: Faults, store: Store) -> None:
    store.create(POD, "default", pod("a"))
    watch = f"{PODS}?watch=1&timeoutSeconds=1"
    everywhere = POD.path()
    with faults.internal_error(of="lists"):
        answers = [(await http.get(path)).status_code for path in (PODS, everywhere, f"{PODS}/a", "/version", watch)]
    assert answers == [500, 500, 200, 200, 200]
    with faults.internal_error(of="watches"):
        answers = [(await http.get(path)).status_code for path in (PODS, f"{PODS}/a", watch)]
    assert answers == [200, 200, 500]


async def test_a_fault_is_over_when_its_time_is_up(http: httpx.AsyncClient, faults: Faults) -> None:
    fault = faults.internal_error(for_s=0.2)
    assert (await http.get(PODS)).status_code == 500
    await fault.cleared.wait()
    assert (await http.get(PODS)).status_code == 200


async def test_faults_can_be_had_at_once_and_cleared_together(http: httpx.AsyncClient, faults: Faults) -> None:
    faults.forbidden(count=1)
    faults.internal_error()
    assert [(await http.get(PODS)).status_code for _ in range(2)] == [403, 500]
    faults.clear()
    assert (await http.get(PODS)).status_code == 200


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ({"count": 0}, "a count of 0 is none"),
        ({"for_s": 0}, "0 s is no time"),
        ({"of": "writes"}, "no requests called 'writes': take one of all, lists, watches"),
    ],
)
async def test_limits_that_make_no_sense_are_refused(faults: Faults, when: Any, says: str) -> None:
    with pytest.raises(LabError, match=f"^internal_error: .*{says}"):
        faults.internal_error(**when)


async def test_garbage_is_no_json(http: httpx.AsyncClient, faults: Faults) -> None:
    with faults.garbage():
        for answer in (await http.get(PODS), await http.get(f"{PODS}?watch=1")):
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
            assert answer.content.startswith(b"<html>\n\x00\xff")


async def test_torn_lines_come_in_two_halves_after_a_blank_one(
    http: httpx.AsyncClient, faults: Faults, store: Store
) -> None:
    store.create(POD, "default", pod("a"))
    store.create(POD, "default", pod("b"))
    with faults.torn_lines():
        async with watching(http) as chunks:
            pieces = [await anext(chunks) for _ in range(6)]
    assert pieces[0] == pieces[3] == b"\n"
    assert b"\n" not in pieces[1]
    assert events(b"".join(pieces)) == ["a", "b"]


async def test_a_line_is_cut_after_whole_ones(http: httpx.AsyncClient, faults: Faults, store: Store) -> None:
    for name in "abc":
        store.create(POD, "default", pod(name))
    with faults.cut_line(events=2):
        async with watching(http) as chunks:
            *whole, half = (await text_of(chunks)).split(b"\n")
    assert events(b"\n".join(whole)) == ["a", "b"]
    assert half.startswith(b'{"type":"ADDED"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(half)


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_watches_are_closed_in_good_order(
    http: httpx.AsyncClient, faults: Faults, store: Store, count: int
) -> None:
    for name in "abc":
        store.create(POD, "default", pod(name))
    with faults.close_watches(count):
        async with watching(http) as chunks:
            assert events(await text_of(chunks)) == list("abc")[:count]
        # A refusal is none the less one.
        assert (await http.get(f"{PODS}?watch=1&timeoutSeconds=-1")).status_code == (400 if count else 200)


async def test_line_breaks_of_unicode_are_not_escaped(http: httpx.AsyncClient, faults: Faults, store: Store) -> None:
    store.create(POD, "default", pod("a"))
    with faults.unicode_line_breaks():
        listed = (await http.get(PODS)).text
        async with watching(http) as chunks:
            line = (await anext(chunks)).decode()
        assert (await http.get("/healthz")).text == "ok"
    for text in (listed, line):
        assert len(text.split("\n")) == 2
        assert len(text.splitlines()) > 1
    assert json.loads(line)["object"]["metadata"]["annotations"] == {"lab/note": "a\u0085b\u2028c"}


async def test_unknown_fields_are_everywhere_but_in_maps(http: httpx.AsyncClient, faults: Faults, store: Store) -> None:
    store.create(POD, "default", {**pod("a"), "metadata": {"name": "a", "labels": {"app": "echo"}}})
    with faults.unknown_fields():
        listed = (await http.get(PODS)).json()
        async with watching(http) as chunks:
            event = json.loads(await anext(chunks))
    for place in (listed, listed["metadata"], listed["items"][0], event, event["object"], event["object"]["spec"]):
        assert "fieldOfTheFuture" in place
    assert event["object"]["metadata"]["labels"] == {"app": "echo"}


async def test_empty_lists_are_null(http: httpx.AsyncClient, faults: Faults, store: Store) -> None:
    with faults.null_lists():
        assert (await http.get(PODS)).json()["items"] is None
        store.create(POD, "default", pod("a"))
        async with watching(http) as chunks:
            assert json.loads(await anext(chunks))["object"]["spec"] == {"containers": None}


async def test_answers_and_events_are_late(http: httpx.AsyncClient, faults: Faults, store: Store) -> None:
    store.create(POD, "default", pod("a"))
    loop = asyncio.get_running_loop()
    with faults.delay(response_s=0.1, event_s=0.1):
        begin = loop.time()
        assert (await http.get(PODS)).status_code == 200
        assert loop.time() - begin >= 0.1
        async with watching(http) as chunks:
            headers_at = loop.time()
            assert events(await anext(chunks)) == ["a"]
            assert loop.time() - headers_at >= 0.05
    with faults.delay(response_s=1e6, count=1) as endless:
        late = asyncio.create_task(http.get(PODS))
        await endless.spent.wait()
    assert (await late).status_code == 200


async def test_a_request_is_read_and_answered_when_the_fault_is_over(http: httpx.AsyncClient, faults: Faults) -> None:
    with faults.never_answer():
        assert await is_silent(http)
        late = asyncio.create_task(http.get(PODS))
        assert await is_silent(http)
    assert (await late).status_code == 200


async def test_headers_and_then_silence(http: httpx.AsyncClient, faults: Faults, store: Store) -> None:
    store.create(POD, "default", pod("a"))
    with faults.silent_after_headers(of="watches") as fault:
        async with watching(http) as chunks:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(chunks)
        async with watching(http) as chunks:
            fault.clear()
            assert await text_of(chunks) == b""


async def test_connections_are_held_and_not_read(http: httpx.AsyncClient, faults: Faults) -> None:
    with faults.stop_reading():
        assert await is_silent(http)
        held = asyncio.create_task(http.get(PODS))
        assert await is_silent(http)
    with pytest.raises(httpx.TransportError):
        await held
    assert (await http.get(PODS)).status_code == 200


async def test_connections_are_closed_at_once(
    server: ApiServer, http: httpx.AsyncClient, faults: Faults, store: Store
) -> None:
    url = httpx.URL(server.url)
    async with watching(http) as chunks:
        with faults.close_at_once(count=2) as fault:
            with pytest.raises(httpx.RemoteProtocolError):
                await text_of(chunks)
            # The server does not wait for a first byte.
            reader, writer = await asyncio.open_connection(url.host, url.port)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            with pytest.raises(httpx.TransportError):
                await http.get(PODS)
            assert not fault.in_force
            assert (await http.get(PODS)).status_code == 200


async def test_open_watches_are_ended_in_good_order(http: httpx.AsyncClient, faults: Faults) -> None:
    async with watching(http) as chunks:
        faults.end_watches()
        assert await text_of(chunks) == b""


async def test_expired_versions_are_gone(http: httpx.AsyncClient, faults: Faults, store: Store) -> None:
    store.create(POD, "default", pod("a"))
    faults.expire_versions()
    async with watching(http) as chunks:
        event = json.loads(await text_of(chunks))
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_a_killed_server_cuts_its_streams_and_is_gone_until_it_starts(
    server: ApiServer, http: httpx.AsyncClient, faults: Faults
) -> None:
    url = server.url
    async with watching(http) as chunks:
        await faults.kill()
        with pytest.raises(httpx.RemoteProtocolError):
            await text_of(chunks)
    with pytest.raises(httpx.ConnectError):
        await http.get(PODS)
    await faults.start()
    assert server.url == url
    assert (await http.get(PODS)).status_code == 200


async def test_a_server_stopped_gently_keeps_its_watches(
    http: httpx.AsyncClient, server: ApiServer, faults: Faults, store: Store
) -> None:
    async with watching(http) as chunks, httpx.AsyncClient(base_url=server.url, trust_env=False) as newcomer:
        faults.stop_listening()
        with pytest.raises(httpx.ConnectError):
            await newcomer.get("/version")
        store.create(POD, "default", pod("a"))
        assert events(await anext(chunks)) == ["a"]
        await faults.start()
        assert (await newcomer.get("/version")).status_code == 200
        store.create(POD, "default", pod("b"))
        assert events(await anext(chunks)) == ["b"]


async def test_a_server_restored_from_a_backup_knows_nothing_of_what_came_after(
    http: httpx.AsyncClient, faults: Faults, store: Store
) -> None:
    store.create(POD, "default", pod("a"))
    before = (store.version, store.list(POD))
    store.patch(POD, "default", "a", {"metadata": {"labels": {"app": "echo"}}})
    store.delete(POD, "default", "a")
    store.create(POD, "default", pod("b"))
    newest = store.version
    own = store.watch(POD)

    await faults.lose_versions(3)

    assert (store.version, store.list(POD)) == before
    with pytest.raises(ExpiredError):
        own.take()
    # From a version of the future there is nothing until it is reached.
    async with watching(http, newest) as chunks:
        for name in "cdef":
            store.create(POD, "default", pod(name))
        assert events(await anext(chunks)) == ["f"]
    await faults.lose_versions(1000)
    assert (store.version, (await http.get(PODS)).json()["items"]) == (1, [])


async def test_nothing_that_is_held_up_holds_up_the_end(store: Store, faults: Faults) -> None:
    async with ApiServer(store, host="127.0.0.1", port=0, tokens=[TOKEN], faults=faults) as server:
        headers = {"authorization": f"Bearer {TOKEN}"}
        http = httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False, timeout=30)
        fault = faults.never_answer(count=1)
        held = asyncio.create_task(http.get(PODS))
        await fault.spent.wait()
    assert (await held).status_code == 200
    await http.aclose()
