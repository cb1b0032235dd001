"""Pods live as their containers say: what runs, as whom, how it ends, and why it does not begin."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.lab.client import ApiError
from benchmarks.lab.kinds import DEPLOYMENT, NODE, POD, SERVICE_ACCOUNT, Object
from tests.conftest import Lab

from .running import all_ready, environment, files_of, gone, kubeconfig, processes, state_of, until, waits


def pod(name: str, *command: str, spec: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """One whose container runs `python -m` and the words; without words it is a provider that leaves at once."""
    words = command or ("services.provider", "--lame-duck-s", "0")
    main = {"name": "main", "image": "demo", "command": ["python", "-m", *words], **container}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": {"containers": [main], **(spec or {})}}


PORTS = [{"name": "http", "containerPort": 8081}, {"name": "grpc", "containerPort": 8082}]


def conditions(pod: Object) -> dict[str, str]:
    return {each["type"]: each["status"] for each in pod["status"]["conditions"]}


def test_a_pod_of_another_namespace_runs_as_its_service_account(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(SERVICE_ACCOUNT, namespace, {"metadata": {"name": "clerk"}})
        made = pod("clerk", ports=PORTS, env=[{"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}])
        made["spec"]["serviceAccountName"] = "clerk"
        await api.create(POD, namespace, made)
        found = (await until(api, "clerk", all_ready(1), namespace))["clerk"]
        (process,) = processes("clerk")
        given = environment(process)
        assert (given["ME"], given["POD_NAMESPACE"]) == (found["status"]["podIP"], namespace)
        assert given["NODE_NAME"] == found["spec"]["nodeName"]
        assert given["ZONE"] == found["metadata"]["labels"]["topology.kubernetes.io/zone"]

        file = Path(given["KUBECONFIG"])
        config, mode = kubeconfig(file)
        assert mode == 0o600
        assert config["contexts"][0]["context"]["namespace"] == namespace
        token = config["users"][0]["user"]["token"]
        async with httpx.AsyncClient(verify=False, headers={"authorization": f"Bearer {token}"}) as client:
            answer = await client.get(f"{config['clusters'][0]['cluster']['server']}{POD.path(namespace)}")
        assert f'User "system:serviceaccount:{namespace}:clerk" cannot list resource "pods"' in answer.json()["message"]

        await api.delete(POD, namespace, "clerk", grace_s=30)
        await until(api, "clerk", gone, namespace)
        files.append(file)

    files: list[Path] = []
    lab.call(course)
    assert [file.exists() for file in files] == [False]


@pytest.mark.parametrize("where", ["pod", "account"])
def test_a_pod_that_wants_no_token_has_no_credentials_at_all(
    lab: Lab, namespace: str, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(lab.cluster.kubeconfig))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.250.0.1")

    async def course() -> None:
        api, without = lab.cluster.api, {"automountServiceAccountToken": False}
        account: dict[str, Any] = {"metadata": {"name": "bare"}, **(without if where == "account" else {})}
        await api.create(SERVICE_ACCOUNT, namespace, account)
        spec = {"serviceAccountName": "bare", **(without if where == "pod" else {})}
        await api.create(POD, namespace, pod("bare", ports=PORTS, spec=spec))
        await until(api, "bare", all_ready(1), namespace)
        (process,) = processes("bare")
        given = environment(process)
        assert not [name for name in given if name.startswith("KUBE")]
        assert files_of(given["HOME"]) == []
        await api.delete(POD, namespace, "bare", grace_s=30)
        await until(api, "bare", gone, namespace)

    lab.call(course)


@pytest.mark.parametrize(
    ("command", "code", "phase", "reason"),
    [
        (("services.provider", "--help"), 0, "Succeeded", "Completed"),
        (("services.provider", "--no"), 2, "Failed", "Error"),
    ],
)
def test_a_pod_that_never_restarts_tells_how_it_ended(
    lab: Lab, namespace: str, command: tuple[str, ...], code: int, phase: str, reason: str
) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(POD, namespace, pod("once", *command, spec={"restartPolicy": "Never"}))
        ended = (await until(api, "once", lambda pods: "terminated" in state_of(pods["once"]), namespace))["once"]
        assert ended["status"]["phase"] == phase
        state = state_of(ended)["terminated"]
        assert (state["exitCode"], state["reason"]) == (code, reason)
        assert conditions(ended)["Ready"] == "False"
        assert processes("once") == []
        await api.delete(POD, namespace, "once", grace_s=30)
        await until(api, "once", gone, namespace)

    lab.call(course)


def test_a_pod_killed_by_a_signal_tells_the_status_that_a_shell_would(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(POD, namespace, pod("killed", ports=PORTS, spec={"restartPolicy": "Never"}))
        await until(api, "killed", all_ready(1), namespace)
        (process,) = processes("killed")
        os.kill(process, signal.SIGKILL)
        ended = (await until(api, "killed", lambda pods: "terminated" in state_of(pods["killed"]), namespace))["killed"]
        assert (state_of(ended)["terminated"]["exitCode"], ended["status"]["phase"]) == (137, "Failed")

    lab.call(course)


def test_on_failure_a_container_that_succeeds_is_not_started_again(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(
            POD, namespace, pod("done", "services.provider", "--help", spec={"restartPolicy": "OnFailure"})
        )
        await api.create(
            POD, namespace, pod("failing", "services.provider", "--no", spec={"restartPolicy": "OnFailure"})
        )
        await until(api, "done", lambda pods: pods["done"].get("status", {}).get("phase") == "Succeeded", namespace)
        await until(api, "failing", lambda pods: waits(pods["failing"], "CrashLoopBackOff"), namespace)

    lab.call(course)


def test_without_a_probe_a_container_is_ready_when_it_runs(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(POD, namespace, pod("plane", "discovery.xds", "--listen", "0.0.0.0:0"))
        running = (await until(api, "plane", all_ready(1), namespace))["plane"]
        (container,) = running["status"]["containerStatuses"]
        assert (container["ready"], container["image"], list(container["state"])) == (True, "demo", ["running"])
        assert conditions(running) == dict.fromkeys(("PodScheduled", "Initialized", "ContainersReady", "Ready"), "True")

    lab.call(course)


def test_a_probe_asks_where_the_container_says(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        for name, get in (("well", {"path": "/ping", "port": 8081}), ("ill", {"path": "/nowhere", "port": "http"})):
            await api.create(POD, namespace, pod(name, ports=PORTS, readinessProbe={"httpGet": get}))
        await until(api, "well", all_ready(1), namespace)
        found = await until(api, "ill", lambda pods: "running" in state_of(pods["ill"]), namespace)
        assert conditions(found["ill"])["Ready"] == "False"

    lab.call(course)


def test_an_image_that_cannot_be_pulled_is_told_and_nothing_runs(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(POD, namespace, pod("pulling", image="registry.invalid/x:1"))
        first = await until(api, "pulling", lambda pods: waits(pods["pulling"], "ErrImagePull"), namespace)
        assert "lookup registry.invalid: no such host" in state_of(first["pulling"])["waiting"]["message"]
        second = await until(api, "pulling", lambda pods: waits(pods["pulling"], "ImagePullBackOff"), namespace)
        assert state_of(second["pulling"])["waiting"]["message"].startswith(
            'Back-off pulling image "registry.invalid/x:1"'
        )
        assert second["pulling"]["status"]["phase"] == "Pending"
        assert processes("pulling") == []

    lab.call(course)


def test_a_command_that_is_not_ours_is_told(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(POD, namespace, pod("shell", command=["sh", "-c", "true"]))
        told = await until(api, "shell", lambda pods: waits(pods["shell"], "CreateContainerError"), namespace)
        assert "the lab runs `python -m MODULE` alone" in state_of(told["shell"])["waiting"]["message"]

    lab.call(course)


def test_a_pod_waits_for_a_node_that_takes_it(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(POD, namespace, pod("picky", spec={"nodeSelector": {"disk": "ssd"}}))
        told = await until(api, "picky", lambda pods: "conditions" in pods["picky"].get("status", {}), namespace)
        (condition,) = told["picky"]["status"]["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        )
        message = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
        assert (condition["message"], told["picky"]["status"]["phase"]) == (message, "Pending")
        await api.patch(NODE, "", "node-1", {"metadata": {"labels": {"disk": "ssd"}}})
        try:
            placed = await until(api, "picky", all_ready(1), namespace)
            assert placed["picky"]["spec"]["nodeName"] == "node-1"
        finally:
            await api.patch(NODE, "", "node-1", {"metadata": {"labels": {"disk": None}}})

    lab.call(course)


def test_a_cordoned_node_takes_no_pod(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        nodes = [node["metadata"]["name"] for node in (await api.list(NODE)).items]
        for node in nodes:
            await api.patch(NODE, "", node, {"spec": {"unschedulable": True}})
        try:
            await api.create(POD, namespace, pod("late"))
            told = await until(api, "late", lambda pods: "conditions" in pods["late"].get("status", {}), namespace)
            message = told["late"]["status"]["conditions"][0]["message"]
            assert message == "0/3 nodes are available: 3 node(s) were unschedulable."
            await api.patch(NODE, "", "node-2", {"spec": {"unschedulable": None}})
            placed = await until(api, "late", lambda pods: "nodeName" in pods["late"]["spec"], namespace)
            assert placed["late"]["spec"]["nodeName"] == "node-2"
        finally:
            for node in nodes:
                await api.patch(NODE, "", node, {"spec": {"unschedulable": None}})

    lab.call(course)


def test_a_pod_without_its_service_account_is_not_created(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        api = lab.cluster.api
        made = pod("anonymous", ports=PORTS, spec={"serviceAccountName": "nobody"})
        with pytest.raises(ApiError) as refused:
            await api.create(POD, namespace, made)
        assert refused.value.code == 403
        assert str(refused.value) == (
            f'pods "anonymous" is forbidden: error looking up service account {namespace}/nobody: '
            'serviceaccount "nobody" not found'
        )

        # A Deployment tells it, and has its pods once the account is there.
        labels = {"app": "anonymous"}
        template = {"metadata": {"labels": labels}, "spec": made["spec"]}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        await api.create(DEPLOYMENT, namespace, {"metadata": {"name": "anonymous"}, "spec": spec})
        version = "0"
        async for event in api.watch(DEPLOYMENT, namespace, version=version):
            told = {each["type"]: each for each in event.object.get("status", {}).get("conditions", ())}
            if "ReplicaFailure" in told:
                break
        assert "error looking up service account" in told["ReplicaFailure"]["message"]
        await api.create(SERVICE_ACCOUNT, namespace, {"metadata": {"name": "nobody"}})
        await until(api, "anonymous", all_ready(1), namespace)

    lab.call(course)


def test_a_hook_that_sleeps_comes_before_the_signal(lab: Lab, namespace: str) -> None:
    hook = {"preStop": {"sleep": {"seconds": 600}}}

    async def course() -> None:
        api = lab.cluster.api
        await api.create(POD, namespace, pod("hooked", ports=PORTS, lifecycle=hook))
        at = (await until(api, "hooked", all_ready(1), namespace))["hooked"]
        port = next(each["containerPort"] for each in at["spec"]["containers"][0]["ports"] if each["name"] == "http")
        await api.delete(POD, namespace, "hooked", grace_s=1)
        # It serves on as ever: a provider that has heard the signal says that it is not ready.
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://{at['status']['podIP']}:{port}/healthz")).status_code == 200
        # The hook may take no more than the grace period: else this would take ten minutes.
        await until(api, "hooked", gone, namespace)

    lab.call(course)
