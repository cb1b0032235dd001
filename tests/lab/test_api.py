"""The API server over real sockets: what requests and watches are answered."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest

from benchmarks.lab.api import ApiServer
from benchmarks.lab.client import ApiClient, ApiError, WatchEvent
from benchmarks.lab.kinds import ENDPOINT_SLICE, POD, SERVICE, SERVICE_ACCOUNT
from benchmarks.lab.store import Store

from .recordings import entries, watched
from .served import TOKEN, serving

PODS = "/api/v1/namespaces/default/pods"
SERVICE_ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def pod(name: str, **labels: str) -> dict[str, Any]:
    spec = {"nodeName": "node-a", "containers": [{"name": "main", "image": "main"}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def server(store: Store) -> AsyncIterator[ApiServer]:
    async with serving(store) as running:
        yield running


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[ApiClient]:
    async with ApiClient(server.url, TOKEN) as connected:
        yield connected


@pytest.fixture
async def http(server: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as connected:
        yield connected


@asynccontextmanager
async def watching(http: httpx.AsyncClient, path: str, **parameters: str) -> AsyncIterator[AsyncIterator[Any]]:
    """The parsed lines of a watch."""
    query = {"watch": "1", "timeoutSeconds": "60"} | parameters
    async with http.stream("GET", path, params=query) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        lines = response.aiter_lines()
        yield (json.loads(line) async for line in lines)


async def test_objects_live_from_post_to_delete(client: ApiClient) -> None:
    created = await client.create(POD, "default", pod("echo-0"))
    assert await client.get(POD, "default", "echo-0") == created

    labelled = await client.patch(POD, "default", "echo-0", {"metadata": {"labels": {"app": "echo"}}})
    replaced = await client.replace(POD, {**labelled, "status": {"phase": "Running"}})
    assert replaced["metadata"]["labels"] == {"app": "echo"}
    with pytest.raises(ApiError) as conflict:
        await client.replace(POD, {**labelled, "status": {"phase": "Failed"}})
    assert (conflict.value.code, conflict.value.reason) == (409, "Conflict")

    await client.delete(POD, "default", "echo-0")
    with pytest.raises(ApiError, match='pods "echo-0" not found') as absent:
        await client.get(POD, "default", "echo-0")
    assert (absent.value.code, absent.value.reason) == (404, "NotFound")


async def test_list_has_the_shape_of_a_real_one(http: httpx.AsyncClient, store: Store) -> None:
    recorded = next(json.loads(entry["body"]) for entry in entries("bookmarks") if "body" in entry)
    (item,) = recorded["items"]
    store.create(ENDPOINT_SLICE, "rec", item)
    store.create(ENDPOINT_SLICE, "other", item)

    path = "/apis/discovery.k8s.io/v1/namespaces/rec/endpointslices"
    listed = (await http.get(path, params={"labelSelector": "kubernetes.io/service-name=echo"})).json()

    assert listed.keys() == recorded.keys()
    assert (listed["kind"], listed["apiVersion"]) == (recorded["kind"], recorded["apiVersion"])
    assert listed["metadata"] == {"resourceVersion": str(store.version)}
    (mine,) = listed["items"]
    assert mine.keys() == item.keys()
    assert mine["endpoints"] == item["endpoints"]
    everywhere = (await http.get("/apis/discovery.k8s.io/v1/endpointslices")).json()
    assert [found["metadata"]["namespace"] for found in everywhere["items"]] == ["other", "rec"]
    unlabelled = (await http.get(path, params={"labelSelector": "kubernetes.io/service-name=web"})).json()
    assert unlabelled["items"] == []


async def test_only_health_and_version_are_open(server: ApiServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as stranger:
        answers = [
            await stranger.get("/api/v1/pods"),
            await stranger.get("/api/v1/pods", headers={"authorization": "Bearer wrong"}),
            await stranger.get("/api/v1/pods", headers={"authorization": f"Basic {TOKEN}"}),
        ]
        health, version = await stranger.get("/healthz"), await stranger.get("/version")

    for answer in answers:
        assert answer.status_code == 401
        assert answer.json() == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
            "code": 401,
        }
    assert (health.status_code, health.text) == (200, "ok")
    assert version.json()["minor"] == "36"


@pytest.mark.parametrize(
    ("method", "path", "content", "code", "reason", "message"),
    [
        ("GET", "/apis/apps/v1/replicasets", "", 404, "NotFound", "the server could not find the requested resource"),
        ("DELETE", PODS, "", 405, "MethodNotAllowed", "Method Not Allowed"),
        ("POST", PODS, "{", 400, "BadRequest", "the body is not JSON"),
        ("POST", PODS, "[]", 400, "BadRequest", "the body must be a JSON object"),
        ("POST", PODS, '{"kind": "Node"}', 400, "BadRequest", "the body must be a v1 Pod"),
        ("POST", PODS, "{}", 400, "BadRequest", "the body has no metadata"),
        ("POST", SERVICE_ACCOUNTS, '{"metadata": {}}', 422, "Invalid", "name or generateName is required"),
        ("POST", PODS, '{"metadata": {"namespace": "x"}}', 400, "BadRequest", "does not match the namespace"),
        ("POST", SERVICE_ACCOUNTS, '{"metadata": {"name": "taken"}}', 409, "AlreadyExists", '"taken" already exists'),
        (
            "PUT",
            f"{PODS}/taken",
            '{"metadata": {"name": "x"}}',
            400,
            "BadRequest",
            "does not match the name on the URL",
        ),
        ("GET", "/api/v1/pods?labelSelector=a,,b", "", 400, "BadRequest", "unable to parse label selector"),
        ("GET", "/api/v1/pods?fieldSelector=a=b", "", 400, "BadRequest", "field label not supported: a"),
        ("GET", "/api/v1/pods?watch=1&resourceVersion=x", "", 400, "BadRequest", "resourceVersion: invalid"),
        ("GET", "/api/v1/pods?watch=1&timeoutSeconds=-1", "", 400, "BadRequest", "timeoutSeconds: invalid"),
        (
            "GET",
            "/api/v1/pods?watch=1&sendInitialEvents=true",
            "",
            422,
            "Invalid",
            "requires setting resourceVersionMatch",
        ),
    ],
)
async def test_failures_are_status_objects(
    http: httpx.AsyncClient, store: Store, method: str, path: str, content: str, code: int, reason: str, message: str
) -> None:
    store.create(POD, "default", pod("taken"))
    store.create(SERVICE_ACCOUNT, "default", {"metadata": {"name": "taken"}})

    answer = await http.request(method, path, content=content)

    body = answer.json()
    assert (answer.status_code, body["kind"], body["status"]) == (code, "Status", "Failure")
    assert (body["code"], body["reason"]) == (code, reason)
    assert message in body["message"]


async def test_server_side_apply_is_refused(http: httpx.AsyncClient, store: Store) -> None:
    store.create(POD, "default", pod("echo-0"))

    answer = await http.patch(f"{PODS}/echo-0", content="{}", headers={"content-type": "application/apply-patch+yaml"})

    assert (answer.status_code, answer.json()["reason"]) == (415, "UnsupportedMediaType")


async def test_a_pod_with_time_to_end_is_terminating_until_it_is_gone(client: ApiClient) -> None:
    await client.create(POD, "default", pod("echo-0"))

    await client.delete(POD, "default", "echo-0", grace_s=7)
    marked = await client.get(POD, "default", "echo-0")
    await client.delete(POD, "default", "echo-0", grace_s=9)

    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
    assert marked["metadata"]["deletionTimestamp"] > marked["metadata"]["creationTimestamp"]
    assert await client.get(POD, "default", "echo-0") == marked
    await client.delete(POD, "default", "echo-0", grace_s=0)
    assert (await client.list(POD)).items == ()


async def test_watch_follows_from_a_version(http: httpx.AsyncClient, store: Store) -> None:
    version = str(store.version)
    store.create(POD, "default", pod("before"))
    store.create(POD, "other", pod("elsewhere"))

    async with watching(http, PODS, resourceVersion=version) as events:
        first = await anext(events)
        store.create(POD, "default", pod("a"))
        store.create(POD, "default", pod("b", note="x\u2028y"))
        store.delete(POD, "default", "before")
        rest = [await anext(events) for _ in range(3)]

    assert [first["type"], *(event["type"] for event in rest)] == ["ADDED", "ADDED", "ADDED", "DELETED"]
    assert first["object"]["metadata"]["name"] == "before"
    assert rest[1]["object"]["metadata"]["labels"] == {"note": "x\u2028y"}
    assert rest[2]["object"]["kind"] == "Pod"


async def test_watch_without_a_version_begins_with_what_is_there(http: httpx.AsyncClient, store: Store) -> None:
    store.create(POD, "default", pod("a", app="echo"))
    store.create(POD, "default", pod("b", app="web"))

    async with watching(http, "/api/v1/pods", labelSelector="app=echo") as events:
        first = await anext(events)
        store.patch(POD, "default", "b", {"metadata": {"labels": {"app": "echo"}}})
        joined = await anext(events)
        store.patch(POD, "default", "a", {"metadata": {"labels": {"app": None}}})
        left = await anext(events)

    seen = [(event["type"], event["object"]["metadata"]["name"]) for event in (first, joined, left)]
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    assert left["object"]["metadata"]["labels"] == {"app": "echo"}
    assert left["object"]["metadata"]["resourceVersion"] == str(store.version)


async def test_an_expired_version_is_an_error_in_the_stream(http: httpx.AsyncClient, store: Store) -> None:
    (recorded,) = watched("expired")
    store.create(POD, "default", pod("a"))
    store.compact()

    async with watching(http, "/api/v1/pods", resourceVersion="1") as events:
        lines = [event async for event in events]

    recorded["object"]["message"] = f"too old resource version: 1 ({store.version})"
    assert lines == [recorded]


async def test_client_raises_what_ends_a_watch(client: ApiClient, store: Store) -> None:
    store.create(POD, "default", pod("a"))
    store.compact()

    with pytest.raises(ApiError, match="too old resource version") as expired:
        await anext(client.watch(POD, version="1"))

    assert (expired.value.code, expired.value.reason) == (410, "Expired")


async def test_bookmarks_come_at_intervals_in_the_shape_of_real_ones(store: Store) -> None:
    recorded = watched("bookmarks")[0]
    async with (
        serving(store, bookmark_interval_s=0.01) as server,
        ApiClient(server.url, TOKEN) as client,
        aclosing(client.watch(ENDPOINT_SLICE, version=str(store.version))) as events,
    ):
        first = await anext(events)
        # A change of another kind moves the version on, too.
        store.create(POD, "default", pod("a"))
        later = await anext(events)
        while later.version == first.version:
            later = await anext(events)

    assert later.version == str(store.version)
    recorded["object"]["metadata"]["resourceVersion"] = later.version
    assert later == WatchEvent(recorded["type"], recorded["object"])


async def test_a_watch_ends_in_time_and_with_a_bookmark(http: httpx.AsyncClient, store: Store) -> None:
    now = str(store.version)
    async with (
        watching(http, PODS, resourceVersion=now, timeoutSeconds="1") as silent,
        watching(http, PODS, resourceVersion=now, timeoutSeconds="1", allowWatchBookmarks="true") as marked,
    ):
        assert [event async for event in silent] == []
        (bookmark,) = [event async for event in marked]

    assert (bookmark["type"], bookmark["object"]["metadata"]) == ("BOOKMARK", {"resourceVersion": now})


@asynccontextmanager
async def unread_watch(server: ApiServer, store: Store) -> AsyncIterator[socket.socket]:
    """A watch that nobody reads, after changes that are more than the buffers on the way can hold."""
    loop, url = asyncio.get_running_loop(), httpx.URL(server.url)
    request = f"GET {PODS}?watch=1&resourceVersion=1 HTTP/1.1\r\nhost: lab\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    with socket.socket() as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        await loop.sock_connect(connection, (url.host, url.port))
        await loop.sock_sendall(connection, request.encode())
        assert (await loop.sock_recv(connection, 4096)).startswith(b"HTTP/1.1 200")
        for number in range(200):
            store.create(POD, "default", {**pod(f"p-{number}"), "status": {"message": "x" * 100_000}})
            await asyncio.sleep(0)
        yield connection


async def test_a_slow_reader_holds_up_nobody_and_is_told_to_list_again() -> None:
    store, received = Store(history=20), bytearray()
    async with serving(store) as server, unread_watch(server, store) as connection:
        assert len(store.list(POD)) == 200
        while not received.endswith(b"}\n\r\n0\r\n\r\n"):
            chunk = await asyncio.get_running_loop().sock_recv(connection, 2**20)
            assert chunk, "the stream ended early"
            received += chunk

    assert 0 < received.count(b'{"type":"ADDED"') < 200
    assert received.count(b'{"type":"ERROR"') == 1
    assert b'"reason":"Expired","code":410}}\n' in received


async def test_the_server_ends_though_a_client_does_not_read(store: Store) -> None:
    tasks = asyncio.all_tasks()
    async with AsyncExitStack() as clients:
        async with serving(store) as server:
            await clients.enter_async_context(unread_watch(server, store))

        assert asyncio.all_tasks() == tasks


async def test_nothing_is_left_when_the_server_ends(store: Store) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    tasks = asyncio.all_tasks()
    async with AsyncExitStack() as clients:
        async with serving(store) as server:
            client = await clients.enter_async_context(ApiClient(server.url, TOKEN))
            events = client.watch(SERVICE, version="0")
            store.create(SERVICE, "default", {"metadata": {"name": "echo"}})
            assert (await anext(events)).type == "ADDED"
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
            following = asyncio.create_task(anext(events, None))

        assert await following is None
        with pytest.raises(httpx.ConnectError):
            await client.list(POD)

    assert asyncio.all_tasks() == tasks


async def test_an_address_that_is_taken_is_refused(server: ApiServer, store: Store) -> None:
    port = httpx.URL(server.url).port
    assert port is not None

    with pytest.raises(OSError, match="in use"):
        async with serving(store, port=port):
            pass
