"""The cluster as its users see it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import dns.resolver
import httpx
import pytest
from kubernetes import client, config

from benchmarks.lab.cluster import SERVICE_HTTP_PORT, Cluster, Pod, PodSettings
from benchmarks.lab.errors import LabError
from benchmarks.lab.kinds import ENDPOINT_SLICE, POD
from tests.conftest import Lab
from tests.inside import needs_kernel
from tests.lab.readiness import readiness, selector_of

ROOT = Path(__file__).parents[2]


def listed(lab: Lab, service: str) -> dict[str, bool]:
    slices = lab.call(lab.cluster.api.list, ENDPOINT_SLICE, "default", selector=selector_of(service))
    return readiness(slices.items)


def test_pods_are_healthy_before_they_join(lab: Lab) -> None:
    lab.call(lab.cluster.create_service, "waiting")
    pods = lab.call(lab.cluster.start_pods, "waiting", 2, join=False)

    assert [pod.name for pod in pods] == ["waiting-0", "waiting-1"]
    assert listed(lab, "waiting") == {}
    for pod in pods:
        answer = httpx.get(f"http://{pod.address}:{pod.http_port}/ping").json()
        assert (answer["pod"], answer["node"], answer["zone"]) == (pod.name, pod.node, pod.zone)

    begin = time.monotonic()
    moment = lab.call(lab.cluster.join, pods)
    assert begin < moment < time.monotonic()
    assert listed(lab, "waiting") == {pod.name: True for pod in pods}

    (third,) = lab.call(lab.cluster.start_pods, "waiting", 1)
    assert third.name == "waiting-2"
    lab.call(lab.cluster.leave, pods)
    assert listed(lab, "waiting") == {third.name: True}
    lab.call(lab.cluster.kill_pods, [*pods, third])


def test_a_pod_that_is_stopped_finishes_and_is_gone(lab: Lab) -> None:
    lab.call(lab.cluster.create_service, "stopping")
    (pod,) = lab.call(lab.cluster.start_pods, "stopping", 1, PodSettings(latency_ms=300, lame_duck_s=0.1))
    with httpx.Client() as client:
        call = lab.portal.start_task_soon(lab.cluster.stop_pods, [pod])
        assert client.get(f"http://{pod.address}:{pod.http_port}/ping").json()["pod"] == pod.name
        call.result()
    assert not Path(f"/proc/{pod.pid}").exists()
    assert pod.name not in {obj["metadata"]["name"] for obj in lab.call(lab.cluster.api.list, POD).items}


def test_a_pod_that_does_not_start_is_reported_with_its_last_words(lab: Lab) -> None:
    lab.call(lab.cluster.create_service, "broken")
    with pytest.raises(LabError, match=r"^pod broken-0 ended by itself with status 2: .*--latency-ms"):
        lab.call(lab.cluster.start_pods, "broken", 1, PodSettings(latency_ms=-1))
    # It does not take the cluster with it.
    (pod,) = lab.call(lab.cluster.start_pods, "broken", 1)
    lab.call(lab.cluster.kill_pods, [pod])


@needs_kernel
def test_health_checks_are_no_connections_of_clients(lab: Lab) -> None:
    lab.call(lab.cluster.create_service, "quiet")
    (pod,) = lab.call(lab.cluster.start_pods, "quiet", 1)
    assert lab.call(lab.cluster.connections)[pod.name] == 0
    httpx.get(f"http://{pod.address}:{pod.http_port}/ping")
    assert lab.call(lab.cluster.connections)[pod.name] == 1
    lab.call(lab.cluster.kill_pods, [pod])


@needs_kernel
def test_a_second_cluster_at_the_same_place_is_refused(lab: Lab) -> None:
    async def second() -> None:
        async with Cluster():
            pytest.fail("it started")

    with pytest.raises(LabError, match="another cluster"):
        lab.call(second)


async def test_outside_of_a_lab_there_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCOVERY_LAB", raising=False)
    with pytest.raises(LabError, match="only in a lab's surroundings"):
        async with Cluster():
            pytest.fail("it started")


PREAMBLE = """
import asyncio, os, signal
from benchmarks.lab.client import ApiClient
from benchmarks.lab.cluster import Cluster

async def main():
    async with Cluster() as cluster:
        await cluster.create_service("echo")
        pods = await cluster.start_pods("echo", 2)
        print("up", flush=True)
"""


def run_inside(body: str) -> subprocess.CompletedProcess[str]:
    """A cluster of its own, in a lab of its own."""
    enter = "import sys; from benchmarks.lab.launcher import enter; sys.exit(enter(sys.argv[1:]))"
    program = f"{PREAMBLE}        {body}\nasyncio.run(main())\n"
    command = [sys.executable, "-c", enter, sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_pod_that_ends_by_itself_ends_the_cluster() -> None:
    done = run_inside("os.kill(pods[0].pid, signal.SIGKILL); await asyncio.Event().wait()")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "benchmarks.lab.errors.LabError: pod echo-0 ended by itself with status -9: "
    )


def test_an_exception_of_the_user_comes_out_as_it_is() -> None:
    done = run_inside("raise LookupError('mine')")
    assert done.stderr.splitlines()[-1] == "LookupError: mine"


def test_ctrl_c_ends_it_in_good_order() -> None:
    done = run_inside("os.kill(os.getpid(), signal.SIGINT); await asyncio.Event().wait()")
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert "Warning" not in done.stderr


@needs_kernel
def test_an_open_dns_connection_does_not_hold_up_the_end() -> None:
    done = run_inside("connection = await asyncio.open_connection('10.96.0.10', 53)")
    assert (done.returncode, done.stdout) == (0, "up\n")


def test_the_end_leaves_no_warning_and_no_process() -> None:
    done = run_inside("print(*(pod.pid for pod in pods))")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_kubeconfig_is_what_clients_want(lab: Lab, echo_pods: tuple[Pod, ...]) -> None:
    api = config.new_client_from_config(str(lab.cluster.kubeconfig))
    _contexts, active = config.list_kube_config_contexts(str(lab.cluster.kubeconfig))
    pods = client.CoreV1Api(api).list_namespaced_pod("default").items
    names = {pod.metadata.name for pod in pods if pod.metadata is not None}
    api.close()
    assert active["context"]["namespace"] == "default"
    assert names >= {pod.name for pod in echo_pods}


@needs_kernel
@pytest.mark.parametrize(
    ("spec", "address"),
    [
        ({"clusterIP": "None"}, None),
        ({"type": "NodePort"}, "10.250.0.2"),
        (
            {"type": "ExternalName", "externalName": "echo.default.svc.cluster.local"},
            "further.default.svc.cluster.local.",
        ),
        ({"sessionAffinity": "ClientIP"}, "further.default.svc.cluster.local."),
    ],
    ids=["headless", "node port", "external name", "affinity"],
)
async def test_a_further_service_has_the_same_pods_until_its_block_ends(
    lab: Lab, echo_pods: tuple[Pod, ...], spec: dict[str, str], address: str | None
) -> None:
    name = "further.default.svc.cluster.local."
    with lab.portal.wrap_async_context_manager(lab.cluster.further_service("further", "echo", **spec)) as service:
        if address is None:
            found = {each.address for each in dns.resolver.resolve(name, "A")}
            assert found == {pod.address for pod in echo_pods}
        else:
            port = SERVICE_HTTP_PORT
            if spec.get("type") == "NodePort":
                port = next(each["nodePort"] for each in service["spec"]["ports"] if each["name"] == "http")
            async with httpx.AsyncClient(base_url=f"http://{address}:{port}") as client:
                assert (await client.get("/ping")).json()["pod"] in {pod.name for pod in echo_pods}
    lab.call(lab.cluster.until_served, lambda ports: all(port.service != "further" for port in ports))


@needs_kernel
def test_connections_by_a_node_port_are_counted(lab: Lab, echo_pods: tuple[Pod, ...]) -> None:
    service = lab.cluster.further_service("further", "echo", type="NodePort")
    with lab.portal.wrap_async_context_manager(service) as created:
        port = next(each["nodePort"] for each in created["spec"]["ports"] if each["name"] == "http")
        before = sum(lab.call(lab.cluster.connections).values())
        for _ in range(5):
            httpx.get(f"http://10.250.0.2:{port}/ping", trust_env=False)
        assert sum(lab.call(lab.cluster.connections).values()) - before == 5
