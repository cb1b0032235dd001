"""The library against a cluster: API server, pods, Service data plane and DNS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

import discovery.grpc
from benchmarks.lab.cluster import GRPC_PORT, HTTP_PORT, SERVICE_GRPC_PORT, SERVICE_HTTP_PORT, Pod
from discovery import Balancer, NoEndpoints, State
from discovery.http import AsyncTransport, Transport
from protos.echo_pb2 import EchoRequest
from protos.echo_pb2_grpc import EchoStub
from tests.conftest import Lab


@pytest.fixture(autouse=True)
def kubeconfig(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user's shell would name the lab's."""
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))


@pytest.fixture
def fresh(lab: Lab) -> Iterator[tuple[str, tuple[Pod, ...]]]:
    """A Service of the test's own with two of its three pods in it."""
    name = f"shop-{next(_numbers)}"
    lab.call(lab.cluster.create_service, name)
    pods = lab.call(lab.cluster.start_pods, name, 3, join=False)
    lab.call(lab.cluster.join, pods[:2])
    yield name, pods
    lab.call(lab.cluster.kill_pods, pods)


_numbers = iter(range(1000))


def until(balancer: Balancer, holds: Callable[[State], bool]) -> State:
    """Wait until the balancer's state is as wished."""
    changed = threading.Event()
    with balancer.listening(changed.set):
        balancer.start()
        while not holds(state := balancer.snapshot()):
            changed.wait()
            changed.clear()
    return state


def hosts(state: State) -> set[str]:
    return {each.endpoint.host for each in state.endpoints}


@pytest.mark.parametrize(
    ("target", "port"),
    [
        ("kubernetes:///echo.default:http", HTTP_PORT),
        ("kubernetes://default/echo:grpc", GRPC_PORT),
        (f"kubernetes:///echo:{HTTP_PORT}", HTTP_PORT),
    ],
)
def test_a_target_names_the_pods_and_their_port(echo_pods: tuple[Pod, ...], target: str, port: int) -> None:
    with Balancer(target, policy="round_robin") as balancer:
        picked = {(lease.endpoint.host, lease.endpoint.port) for lease in [balancer.pick() for _ in range(3)]}
        assert picked == {(pod.address, port) for pod in echo_pods}
        known = {each.endpoint.host: each.endpoint for each in balancer.snapshot().endpoints}
    for pod in echo_pods:
        assert (known[pod.address].name, known[pod.address].node, known[pod.address].zone) == (
            pod.name,
            pod.node,
            pod.zone,
        )


def test_pods_that_join_and_leave_are_followed(lab: Lab, fresh: tuple[str, tuple[Pod, ...]]) -> None:
    name, pods = fresh
    with Balancer(f"kubernetes:///{name}:http") as balancer:
        until(balancer, lambda state: hosts(state) == {pods[0].address, pods[1].address})
        lab.call(lab.cluster.join, pods[2:])
        until(balancer, lambda state: hosts(state) == {pod.address for pod in pods})
        lab.call(lab.cluster.leave, pods[:2])
        until(balancer, lambda state: hosts(state) == {pods[2].address})
        lab.call(lab.cluster.leave, pods[2:])
        until(balancer, lambda state: not state.endpoints)
        with pytest.raises(NoEndpoints, match="none of its pods is ready"):
            balancer.pick()


def test_a_service_that_is_not_there_says_so(lab: Lab) -> None:
    with (
        Balancer("kubernetes:///nobody:http") as balancer,
        pytest.raises(NoEndpoints, match="there is no such Service"),
    ):
        balancer.pick()


def test_a_port_of_the_service_in_place_of_the_pods_says_which_there_are(lab: Lab, echo_pods: tuple[Pod, ...]) -> None:
    with (
        Balancer("kubernetes:///echo:80") as balancer,
        pytest.raises(
            NoEndpoints, match=r"the pods', not the Service's\) '80'; there are grpc \(8082\), http \(8081\)"
        ),
    ):
        balancer.pick()


@pytest.mark.parametrize("target", ["kubernetes:///echo.default:http", f"service:///echo.default:{SERVICE_HTTP_PORT}"])
def test_http_reaches_the_pods(echo_pods: tuple[Pod, ...], target: str) -> None:
    with httpx.Client(transport=Transport(target), base_url="http://echo.default") as client:
        assert client.get("/ping").json()["pod"] in {pod.name for pod in echo_pods}


@pytest.mark.parametrize("target", ["kubernetes:///echo.default:http", f"service:///echo.default:{SERVICE_HTTP_PORT}"])
async def test_asyncio_http_reaches_the_pods(echo_pods: tuple[Pod, ...], target: str) -> None:
    names = {pod.name for pod in echo_pods}
    async with httpx.AsyncClient(transport=AsyncTransport(target), base_url="http://echo.default") as client:
        assert (await client.get("/ping")).json()["pod"] in names


@pytest.mark.parametrize("target", ["kubernetes:///echo.default:grpc", f"service:///echo.default:{SERVICE_GRPC_PORT}"])
async def test_grpc_reaches_the_pods(echo_pods: tuple[Pod, ...], target: str) -> None:
    names = {pod.name for pod in echo_pods}
    with discovery.grpc.insecure_channel(target) as channel:
        assert EchoStub(channel).Echo(EchoRequest(), timeout=30).pod in names
    async with discovery.grpc.aio.insecure_channel(target) as channel:
        assert (await EchoStub(channel).Echo(EchoRequest(), timeout=30)).pod in names
