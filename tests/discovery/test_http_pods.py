"""HTTP under load, while servers are restarted, killed and frozen. The long ones print what they measured."""

from __future__ import annotations

import asyncio
import collections
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.lab.cluster import Pod
from benchmarks.lab.pod_settings import PodSettings
from discovery import State
from discovery.http import AsyncTransport
from tests.conftest import Lab
from tests.inside import needs_kernel

ROOT = Path(__file__).parents[2]
RATE_RPS = 300
READ_S = 1.0


class Load:
    """What became of requests that left at an even rate, whatever became of those before.

    errors  with the time at which their requests began
    """

    def __init__(self) -> None:
        self.sent = 0
        self.answers: list[httpx.Response] = []
        self.errors: list[tuple[float, httpx.HTTPError]] = []
        self._more = asyncio.Condition()

    async def further(self, count: int) -> None:
        """Wait until so many more were sent."""
        until = self.sent + count
        async with self._more:
            await self._more.wait_for(lambda: self.sent >= until)

    async def send(self, request: Coroutine[Any, Any, httpx.Response]) -> None:
        began = time.monotonic()
        async with self._more:
            self.sent += 1
            self._more.notify_all()
        try:
            response = await request
            response.raise_for_status()
        except httpx.HTTPError as error:
            self.errors.append((began, error))
        else:
            self.answers.append(response)

    @property
    def tries(self) -> dict[int, int]:
        """Answers by how many tries they took."""
        return dict(collections.Counter(each.extensions["discovery"]["tries"] for each in self.answers))

    @property
    def kinds(self) -> dict[str, int]:
        return dict(collections.Counter(type(error).__name__ for _, error in self.errors))

    def report(self, title: str, **numbers: object) -> None:
        more = "".join(f", {name.replace('_', ' ')} {number}" for name, number in numbers.items())
        print(f"\n{title}: {self.sent} requests, by tries {self.tries}, failed {self.kinds}{more}")


Send = Callable[[httpx.AsyncClient, int], Coroutine[Any, Any, httpx.Response]]


@asynccontextmanager
async def load(transport: AsyncTransport, send: Send, timeout: float | httpx.Timeout = 30.0) -> AsyncIterator[Load]:
    """Send RATE_RPS requests a second while the block runs; what is in flight at its end is waited for."""

    async def run(client: httpx.AsyncClient) -> None:
        start = time.monotonic()
        async with asyncio.TaskGroup() as requests:
            for number in itertools.count():
                if ended.is_set():
                    return
                requests.create_task(seen.send(send(client, number)))
                await asyncio.sleep(max(0.0, start + (number + 1) / RATE_RPS - time.monotonic()))

    seen, ended = Load(), asyncio.Event()
    async with httpx.AsyncClient(transport=transport, base_url="http://orders", timeout=timeout) as client:
        running = asyncio.create_task(run(client))
        try:
            yield seen
        finally:
            ended.set()
            await running


async def ping(client: httpx.AsyncClient, _number: int) -> httpx.Response:
    return await client.get("/ping")


async def ping_once(client: httpx.AsyncClient, _number: int) -> httpx.Response:
    """It may not be tried again once it left."""
    return await client.get("/ping", extensions={"discovery": {"idempotent": False}})


class Servers:
    """Processes that write down what they carry out, each at its port, to be killed and started again."""

    def __init__(self, log: Path, stack: ExitStack) -> None:
        self.log = log
        self._stack = stack
        self._processes: dict[int, subprocess.Popen[str]] = {}

    def start(self, port: int = 0) -> int:
        arguments = ["1", str(port), "0.02", str(self.log)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.discovery.fast_server", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        self._processes[port] = process
        return port

    def kill(self, port: int) -> None:
        self._processes[port].kill()
        self._processes[port].wait()

    def carried_out(self, method: str) -> collections.Counter[str]:
        """How often each path was."""
        words = [line.split() for line in self.log.read_text().splitlines()]
        return collections.Counter(path for name, path, _ in words if name == method)


@pytest.fixture
def four(tmp_path: Path) -> Iterator[tuple[Servers, list[int]]]:
    with ExitStack() as stack:
        servers = Servers(tmp_path / "log", stack)
        yield servers, [servers.start() for _ in range(4)]


async def test_of_servers_that_are_killed_no_get_fails_and_no_post_is_carried_out_twice(
    four: tuple[Servers, list[int]],
) -> None:
    async def send(client: httpx.AsyncClient, number: int) -> httpx.Response:
        return await client.request("POST" if number % 2 else "GET", f"/{number}")

    servers, ports = four
    target = "static:///" + ",".join(f"127.0.0.1:{port}" for port in ports)
    async with load(AsyncTransport(target), send) as seen:
        for port in ports:
            await seen.further(RATE_RPS // 4)
            await asyncio.to_thread(servers.kill, port)
            await seen.further(RATE_RPS // 4)
            await asyncio.to_thread(servers.start, port)
    posts = servers.carried_out("POST")
    seen.report("servers killed", posts_carried_out=sum(posts.values()))
    assert {error.request.method for _, error in seen.errors} <= {"POST"}
    assert set(posts.values()) == {1}
    answered = {each.request.url.path for each in seen.answers if each.request.method == "POST"}
    assert answered <= set(posts)
    assert len(seen.tries) > 1, "some were tried again"


@pytest.fixture
def kubeconfig(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))


class Service:
    """A Service of the test's own, whose pods take 5 ms for an answer."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._lab = lab
        self._name = name
        self.pods: list[Pod] = []

    async def start(self, count: int) -> None:
        settings = PodSettings(latency_ms=5.0)
        self.pods += await self._on_cluster(self._lab.cluster.start_pods, self._name, count, settings)

    async def stop(self, pod: Pod) -> None:
        self.pods.remove(pod)
        await self._on_cluster(self._lab.cluster.stop_pods, [pod])

    async def kill(self, *pods: Pod) -> None:
        self.pods = [pod for pod in self.pods if pod not in pods]
        await self._on_cluster(self._lab.cluster.kill_pods, pods)

    async def freeze(self, pod: Pod) -> None:
        await self._on_cluster(self._lab.cluster.freeze_pods, [pod])

    async def cut_off(self, pod: Pod) -> None:
        await self._on_cluster(self._lab.cluster.cut_off_pods, [pod])

    @property
    def as_list(self) -> str:
        """A target that does not follow what becomes of the pods."""
        return "static:///" + ",".join(f"{pod.address}:{pod.http_port}" for pod in self.pods)

    async def _on_cluster(self, method: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.to_thread(self._lab.call, method, *arguments)


@asynccontextmanager
async def service(lab: Lab, name: str, pods: int) -> AsyncIterator[Service]:
    made = Service(lab, name)
    await asyncio.to_thread(lab.call, lab.cluster.create_service, name)
    await made.start(pods)
    yield made
    await made.kill(*made.pods)


@pytest.mark.soak
@pytest.mark.timeout(400)
async def test_a_rolling_restart_of_every_pod_three_times_over_fails_no_request(lab: Lab, kubeconfig: None) -> None:
    """And not because of tries: those that left may not be tried again."""
    target = "kubernetes:///rolling:http"
    async with service(lab, "rolling", 3) as rolling, load(AsyncTransport(target, host="orders"), ping_once) as seen:
        await seen.further(RATE_RPS)
        for _ in range(3):
            for pod in tuple(rolling.pods):
                await rolling.start(1)
                await rolling.stop(pod)
        await seen.further(RATE_RPS)
    pods = {each.json()["pod"] for each in seen.answers}
    seen.report("rolling restart", pods=len(pods))
    assert seen.errors == []
    assert len(pods) == 3 + 3 * 3


@pytest.mark.soak
async def test_of_pods_that_are_killed_no_get_fails(lab: Lab, kubeconfig: None) -> None:
    target = "kubernetes:///killed:http"
    async with service(lab, "killed", 4) as killed, load(AsyncTransport(target, host="orders"), ping) as seen:
        for pod in killed.pods[:3]:
            await seen.further(RATE_RPS)
            await killed.kill(pod)
        await seen.further(RATE_RPS)
    seen.report("pods killed")
    assert seen.errors == []
    assert len({each.json()["pod"] for each in seen.answers[-100:]}) == 1


@pytest.mark.soak
@needs_kernel
async def test_of_a_pod_that_is_cut_off_no_request_on_a_new_connection_fails(lab: Lab) -> None:
    """Connecting takes a share of the time, and leaves the rest for another endpoint."""
    async with service(lab, "cut", 3) as cut:
        transport = AsyncTransport(cut.as_list, limits=httpx.Limits(max_keepalive_connections=0))
        async with load(transport, ping_once, httpx.Timeout(5, connect=3.0)) as seen:
            await seen.further(RATE_RPS)
            await cut.cut_off(cut.pods[0])
            await seen.further(RATE_RPS * 4)
    seen.report("cut off")
    assert [error for _, error in seen.errors if not isinstance(error, httpx.ReadTimeout)] == []
    assert seen.tries[2] > 0


@pytest.mark.soak
async def test_a_pod_that_freezes_gets_a_probe_for_each_backoff_and_no_more(lab: Lab) -> None:
    ejected: list[float] = []

    def judged(state: State) -> None:
        if not ejected and any(each.ejected for each in state.endpoints):
            ejected.append(time.monotonic())

    async with service(lab, "frozen", 3) as frozen:
        transport = AsyncTransport(frozen.as_list)
        async with load(transport, ping, httpx.Timeout(30, read=READ_S)) as seen:
            watching = transport._balancer.subscribe(judged)
            await seen.further(RATE_RPS)
            await frozen.freeze(frozen.pods[0])
            while not ejected:
                await seen.further(RATE_RPS // 10)
            await seen.further(RATE_RPS * 6)
            watching.close()
    begun = sorted(began for began, _ in seen.errors)
    first_timeout = begun[0] + READ_S
    before = [at for at in begun if at < first_timeout]
    between = [at for at in begun if first_timeout <= at < ejected[0]]
    probes = [round(at - ejected[0], 2) for at in begun if at >= ejected[0]]
    seen.report("frozen", before_a_timeout=len(before), until_ejected=len(between), probes_after_s=probes)
    assert set(seen.kinds) == {"ReadTimeout"}, "each had its time, and no more than that"
    assert len(before) < RATE_RPS * READ_S / 3, "less than its share"
    assert len(between) < 10
    # An ejection lasts half a second at least and twice as long each time, and the probe itself READ_S.
    assert all(after - at >= 0.5 for at, after in itertools.pairwise([0.0, *probes]))
    assert 1 <= len(probes) <= 4
