"""A server that loads its application once and then forks its workers, as gunicorn does with `preload_app`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from benchmarks.lab import manifests
from benchmarks.lab.api import ApiServer
from benchmarks.lab.kinds import ENDPOINT_SLICE, Object
from benchmarks.lab.store import Store
from tests.discovery.http_servers import Server, servers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

ROOT = Path(__file__).parents[2]
WORKERS = 3
TOKEN = "letmein"


class Service:
    """Service `echo` behind an API server on loopback."""

    def __init__(self, store: Store, portal: BlockingPortal) -> None:
        self._store = store
        self._portal = portal

    def add(self, pod: Server) -> None:
        self._portal.call(self._store.create, ENDPOINT_SLICE, "default", slice_of(pod))

    def remove(self, pod: Server) -> None:
        self._portal.call(self._store.delete, ENDPOINT_SLICE, "default", pod.name)


def slice_of(pod: Server) -> Object:
    """A slice for each, since on loopback they differ in their ports."""
    target = {"kind": "Pod", "namespace": "default", "name": pod.name}
    return {
        "metadata": {"name": pod.name, "labels": {"kubernetes.io/service-name": "echo"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}, "targetRef": target}],
        "ports": [{"name": "http", "port": pod.server_port}],
    }


class Gunicorn:
    """The server, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process = process
        self._url = url

    def until_parent_has(self, pods: Sequence[Server]) -> None:
        """Wait until the parent's own watch has seen this set."""
        assert self.process.stdout is not None
        told = {"pid": self.process.pid, "pods": [pod.name for pod in pods]}
        assert any(json.loads(line) == told for line in self.process.stdout)

    def each_worker(self, pods: Sequence[Server]) -> list[dict[str, Any]]:
        """The answer of each worker, once its own watch has seen this set. Each can answer only one at a time."""
        waiting, go_on = threading.Semaphore(0), threading.Event()
        for pod in pods:
            pod.waiting, pod.go_on = waiting, go_on
        query = {"pod": [pod.name for pod in pods]}

        def ask(_number: int) -> httpx.Response:
            try:
                return httpx.get(self._url, params=query, timeout=None, trust_env=False)
            finally:
                waiting.release()  # whoever fails is not waited for

        with ThreadPoolExecutor(WORKERS) as executor:
            answers = executor.map(ask, range(WORKERS))
            for _ in range(WORKERS):
                waiting.acquire()
            go_on.set()
            return [answer.raise_for_status().json() for answer in answers]


@pytest.fixture
def pods() -> Iterator[tuple[Server, ...]]:
    with servers(4) as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    store = Store()
    server = ApiServer(store, host="127.0.0.1", port=0, tokens=[TOKEN])
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server):
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(manifests.kubeconfig(server.url, TOKEN, b"")))
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield Service(store, portal)


@contextmanager
def gunicorn(log: Path) -> Iterator[Gunicorn]:
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as errors:
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", str(WORKERS), "--no-control-socket"]
        command += ["--bind", f"fd://{listener.fileno()}", "tests.discovery.prefork_app:app"]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        ) as process:
            try:
                yield Gunicorn(process, f"http://127.0.0.1:{listener.getsockname()[1]}")
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("end", ["SIGTERM to the parent", "Ctrl-C"])
def test_each_worker_watches_anew_and_the_parent_watches_on(
    tmp_path: Path, service: Service, pods: tuple[Server, ...], end: str
) -> None:
    log = tmp_path / "gunicorn.log"
    for pod in pods[:3]:
        service.add(pod)
    with gunicorn(log) as server:
        parent = server.process.pid
        server.until_parent_has(pods[:3])
        before = server.each_worker(pods[:3])
        service.remove(pods[0])
        service.add(pods[3])
        after = server.each_worker(pods[1:])
        server.until_parent_has(pods[1:])

        if end == "Ctrl-C":
            os.killpg(parent, signal.SIGINT)
        else:
            os.kill(parent, signal.SIGTERM)
        assert server.process.wait() == 0, log.read_text()
        with pytest.raises(ProcessLookupError):
            os.killpg(parent, 0)  # there is nobody left in the group

    workers = {answer["pid"] for answer in before}
    assert len(workers) == WORKERS
    assert parent not in workers
    assert {answer["pid"] for answer in after} == workers
    for answers, expected in ((before, pods[:3]), (after, pods[1:])):
        assert {answer[by] for answer in answers for by in ("picked", "answered")} <= {pod.name for pod in expected}
    # gunicorn's own may be there, of a worker that had not closed its response yet.
    assert f'File "{ROOT}/discovery/' not in log.read_text()
