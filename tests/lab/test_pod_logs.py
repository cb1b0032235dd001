"""What containers write is kept, and passed on to who follows it, as `kubectl logs` shows it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from benchmarks.lab.api import ApiServer
from benchmarks.lab.container_log import ContainerLog, PodLogs
from benchmarks.lab.containers import Container
from benchmarks.lab.kinds import POD
from benchmarks.lab.store import Store
from tests.conftest import Lab
from tests.kubectl import kubectl

from .running import all_ready, until
from .served import TOKEN

LOG = "/api/v1/namespaces/default/pods/web/log"


async def read(log: ContainerLog, **options: Any) -> bytes:
    return b"".join([piece async for piece in log.pieces(**options)])


async def run(program: str) -> Container:
    """A process that is a container."""
    command = [sys.executable, "-c", program]
    return await Container.start("web", command, dict(os.environ), ContainerLog(), own_session=True)


async def test_all_that_a_process_has_written_is_there_when_it_has_ended() -> None:
    container = await run("import os; os.write(1, b'x' * 500_000 + b'\\n'); os.write(2, b'last'); os._exit(3)")
    await container.ended()
    assert container.status == 3
    assert await read(container.log, follow=True) == b"x" * 500_000 + b"\nlast"
    assert await read(container.log, tail_lines=1) == b"last"
    assert container.last_words().endswith(" | last")


async def test_followers_get_each_piece_as_it_comes_and_then_the_end() -> None:
    log = ContainerLog()
    writer = log.open()
    followers = [log.pieces(follow=True) for _ in range(2)]
    for text in (b"one\n", b"two\n"):
        os.write(writer, text)
        assert [await anext(each) for each in followers] == [text, text]
    assert await read(log) == b"one\ntwo\n"
    waiting = [asyncio.ensure_future(anext(each, None)) for each in followers]
    os.close(writer)
    assert await asyncio.gather(*waiting) == [None, None]


async def test_a_child_that_outlives_the_container_does_not_keep_its_log_open() -> None:
    container = await run("import os, signal; pid = os.fork(); pid or signal.pause(); print(pid)")
    await container.ended()
    child = int(await read(container.log, follow=True))
    os.kill(child, signal.SIGKILL)  # it was there all the while


@pytest.mark.parametrize(("lines", "tail"), [(0, b""), (1, b"c"), (2, b"b\nc"), (9, b"a\nb\nc")])
async def test_the_last_lines_may_be_asked_for(lines: int, tail: bytes) -> None:
    log = ContainerLog()
    writer = log.open()
    os.write(writer, b"a\nb\nc")
    os.close(writer)
    assert await read(log, follow=True) == b"a\nb\nc"
    assert await read(log, tail_lines=lines) == tail


async def test_of_what_is_too_much_the_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.lab.container_log._KEPT_BYTES", 1000)
    container = await run("import os; [os.write(1, b'%07d\\n' % number) for number in range(1000)]")
    await container.ended()
    kept = (await read(container.log)).split()
    assert (len(kept), kept[-1]) == (125, b"0000999")


@pytest.fixture
def logs() -> PodLogs:
    return {}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def http(store: Store, logs: PodLogs) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        ApiServer(store, host="127.0.0.1", port=0, tokens=[TOKEN], logs=logs) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as connected,
    ):
        yield connected


def pod(*containers: str, node: str = "node-0", **state: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": name} for name in containers], "nodeName": node}
    statuses = [{"name": name, "state": state} for name in containers] if state else []
    return {"metadata": {"name": "web"}, "spec": spec, "status": {"containerStatuses": statuses}}


@pytest.mark.parametrize(
    ("made", "query", "code", "message"),
    [
        (pod("main"), "", 400, 'container "main" in pod "web" is waiting to start: ContainerCreating'),
        (
            pod("main", waiting={"reason": "ImagePullBackOff"}),
            "",
            400,
            'container "main" in pod "web" is waiting to start: trying and failing to pull image',
        ),
        (pod("a", "b"), "", 400, "a container name must be specified for pod web, choose one of: [a b]"),
        (pod("main"), "?container=other", 400, "container other is not valid for pod web"),
        (pod("main"), "?tailLines=x", 400, "tailLines: invalid value 'x': must be a whole number, not negative"),
        (pod("main"), "?previous=true", 501, "previous: this server's logs know container, follow and tailLines alone"),
    ],
)
async def test_a_log_that_is_not_there_is_explained(
    http: httpx.AsyncClient, store: Store, made: dict[str, Any], query: str, code: int, message: str
) -> None:
    store.create(POD, "default", made)
    answer = await http.get(LOG + query)
    assert (answer.status_code, answer.json()["message"]) == (code, message)


async def test_a_pod_on_no_node_has_an_empty_log_and_one_that_is_not_there_none(
    http: httpx.AsyncClient, store: Store
) -> None:
    assert (await http.get(LOG)).json()["message"] == 'pods "web" not found'
    store.create(POD, "default", pod("main", node=""))
    answer = await http.get(LOG)
    assert (answer.status_code, answer.text) == (200, "")


async def test_a_log_is_followed_over_http(http: httpx.AsyncClient, store: Store, logs: PodLogs) -> None:
    store.create(POD, "default", pod("main"))
    log = logs["default", "web"] = ContainerLog()
    writer = log.open()
    os.write(writer, b"one\ntwo\n")
    async with http.stream("GET", LOG, params={"follow": "true", "container": "main"}) as response:
        assert response.headers["content-type"].startswith("text/plain")
        lines = response.aiter_lines()
        assert [await anext(lines), await anext(lines)] == ["one", "two"]
        os.write(writer, b"three\n")
        assert await anext(lines) == "three"
        os.close(writer)
        assert [line async for line in lines] == []
    assert (await http.get(LOG, params={"tailLines": "2"})).text == "two\nthree\n"


def test_kubectl_follows_a_pod_until_it_has_ended(lab: Lab, namespace: str) -> None:
    api = lab.cluster.api
    command = ["python", "-m", "services.provider", "--lame-duck-s", "0"]
    ports = [{"name": "http", "containerPort": 8081}, {"name": "grpc", "containerPort": 8082}]
    container = {"name": "main", "command": command, "ports": ports}
    spec = {"restartPolicy": "Never", "containers": [container]}
    lab.call(api.create, POD, namespace, {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec})
    lab.call(until, api, "web", all_ready(1), namespace)
    command = [kubectl(), "--kubeconfig", str(lab.cluster.kubeconfig), "-n", namespace, "logs", "web"]
    with subprocess.Popen([*command, "-f"], stdout=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout is not None
            assert following.stdout.readline().startswith("serving http=")
            once = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
            assert once.startswith("serving http=")
            lab.call(api.delete, POD, namespace, "web", grace_s=30)
            rest = following.stdout.read()
            assert following.wait() == 0, rest
        finally:
            following.kill()
