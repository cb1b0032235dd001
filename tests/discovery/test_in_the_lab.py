"""The library against a cluster: API server, pods, Service data plane and DNS."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

import discovery.grpc
from benchmarks.lab.cluster import HTTP_PORT, SERVICE_GRPC_PORT, SERVICE_HTTP_PORT, Pod
from discovery import Balancer, NoEndpoints, State
from discovery.http import AsyncTransport, Transport
from protos.echo_pb2 import EchoRequest
from protos.echo_pb2_grpc import EchoStub
from tests.conftest import Lab
from tests.inside import needs_kernel


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


def names(state: State) -> set[str]:
    return {each.endpoint.name for each in state.endpoints}


def over_service(port: int) -> object:
    """A target that a name must be resolved for."""
    return pytest.param(f"service:///echo.default:{port}", marks=needs_kernel)


@pytest.mark.parametrize(
    ("target", "wire"),
    [
        ("kubernetes:///echo.default:http", "http"),
        ("kubernetes://default/echo:grpc", "grpc"),
        pytest.param(f"kubernetes:///echo:{HTTP_PORT}", "http", marks=needs_kernel),
    ],
)
def test_a_target_names_the_pods_and_their_port(echo_pods: tuple[Pod, ...], target: str, wire: str) -> None:
    with Balancer(target, policy="round_robin") as balancer:
        picked = {(lease.endpoint.host, lease.endpoint.port) for lease in [balancer.pick() for _ in range(3)]}
        assert picked == {(pod.address, pod.http_port if wire == "http" else pod.grpc_port) for pod in echo_pods}
        known = {(each.endpoint.name, each.endpoint.node, each.endpoint.zone) for each in balancer.snapshot().endpoints}
    assert known == {(pod.name, pod.node, pod.zone) for pod in echo_pods}


def test_pods_that_join_and_leave_are_followed(lab: Lab, fresh: tuple[str, tuple[Pod, ...]]) -> None:
    name, pods = fresh
    with Balancer(f"kubernetes:///{name}:http") as balancer:
        until(balancer, lambda state: names(state) == {pods[0].name, pods[1].name})
        lab.call(lab.cluster.join, pods[2:])
        until(balancer, lambda state: names(state) == {pod.name for pod in pods})
        lab.call(lab.cluster.leave, pods[:2])
        until(balancer, lambda state: names(state) == {pods[2].name})
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
            NoEndpoints, match=r"the pods', not the Service's\) '80'; there are grpc \(\d+\), (grpc|http) \(\d+\)"
        ),
    ):
        balancer.pick()


@pytest.mark.parametrize("target", ["kubernetes:///echo.default:http", over_service(SERVICE_HTTP_PORT)])
def test_http_reaches_the_pods(echo_pods: tuple[Pod, ...], target: str) -> None:
    with httpx.Client(transport=Transport(target), base_url="http://echo.default") as client:
        assert client.get("/ping").json()["pod"] in {pod.name for pod in echo_pods}


@pytest.mark.parametrize("target", ["kubernetes:///echo.default:http", over_service(SERVICE_HTTP_PORT)])
async def test_asyncio_http_reaches_the_pods(echo_pods: tuple[Pod, ...], target: str) -> None:
    known = {pod.name for pod in echo_pods}
    async with httpx.AsyncClient(transport=AsyncTransport(target), base_url="http://echo.default") as client:
        assert (await client.get("/ping")).json()["pod"] in known


@needs_kernel
@pytest.mark.parametrize(("kept", "pods"), [(100, 1), (0, 3)])
def test_over_a_service_the_kernel_picks_for_each_connection(echo_pods: tuple[Pod, ...], kept: int, pods: int) -> None:
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=kept)
    transport = Transport(f"service:///echo.default:{SERVICE_HTTP_PORT}", limits=limits)
    with httpx.Client(transport=transport, base_url="http://echo.default") as client:
        # Of 60 throws of a die with three sides, one side is missing once in ten thousand million.
        assert len({client.get("/ping").json()["pod"] for _ in range(60)}) == pods


@pytest.mark.parametrize("target", ["kubernetes:///echo.default:grpc", over_service(SERVICE_GRPC_PORT)])
async def test_grpc_reaches_the_pods(echo_pods: tuple[Pod, ...], target: str) -> None:
    known = {pod.name for pod in echo_pods}
    with discovery.grpc.insecure_channel(target) as channel:
        assert EchoStub(channel).Echo(EchoRequest(), timeout=30).pod in known
    async with discovery.grpc.aio.insecure_channel(target) as channel:
        assert (await EchoStub(channel).Echo(EchoRequest(), timeout=30)).pod in known


@needs_kernel
@pytest.mark.parametrize("target", ["dns:///{}:8082", "srv:///_grpc._tcp.{}", "dns://10.96.0.10/{}:8082"])
def test_dns_names_the_pods_of_a_headless_service(lab: Lab, echo_pods: tuple[Pod, ...], target: str) -> None:
    further = lab.cluster.further_service("echo-headless", "echo", clusterIP="None")
    with lab.portal.wrap_async_context_manager(further):
        with Balancer(target.format("echo-headless.default.svc"), policy="round_robin") as balancer:
            picked = {(lease.endpoint.host, lease.endpoint.port) for lease in [balancer.pick() for _ in range(3)]}
            assert picked == {(pod.address, pod.grpc_port) for pod in echo_pods}
        with discovery.grpc.insecure_channel(target.format("echo-headless.default.svc")) as channel:
            assert EchoStub(channel).Echo(EchoRequest(), timeout=30).pod in {pod.name for pod in echo_pods}


@needs_kernel
def test_a_name_that_dns_does_not_know_is_empty_and_the_error_says_so() -> None:
    with (
        Balancer("dns:///nobody.default.svc:80") as balancer,
        pytest.raises(NoEndpoints, match=r"DNS has no nobody\.default\.svc\.cluster\.local\."),
    ):
        balancer.pick()


@needs_kernel
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_looks_up_anew(lab: Lab, echo_pods: tuple[Pod, ...]) -> None:
    with Balancer(f"dns:///echo.default.svc:{SERVICE_HTTP_PORT}") as balancer:
        assert balancer.pick().endpoint.host == lab.service_ip
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if balancer.pick(timeout_s=30).endpoint.host == lab.service_ip else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
