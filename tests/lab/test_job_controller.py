"""Jobs of the lab: real processes that are counted and cleaned up, as kubectl and the official client see it."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import kubernetes

from benchmarks.lab.kinds import JOB, POD, Object
from tests.conftest import Lab
from tests.kubectl import kubectl

from .running import environment, gone, processes, until


def job(name: str, completions: int, *options: str, **spec: Any) -> dict[str, Any]:
    """One whose pods run the provider with some options."""
    container = {"name": "main", "image": "demo", "command": ["python", "-m", "services.provider", *options]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    whole = {"completionMode": "Indexed", "completions": completions, "parallelism": completions, "template": template}
    return {"metadata": {"name": name}, "spec": {**whole, **spec}}


async def until_job(lab: Lab, namespace: str, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until it holds for the Job's status; returns that."""
    api = lab.cluster.api
    listed = await api.list(JOB, namespace)
    statuses: AsyncIterator[Object] = _changes(lab, namespace, name, listed.version)
    found = next(each for each in listed.items if each["metadata"]["name"] == name)
    async with aclosing(statuses) as changes:  # type: ignore[type-var]
        while not holds(dict(found.get("status") or {})):
            found = await anext(changes)
    return dict(found["status"])


async def _changes(lab: Lab, namespace: str, name: str, version: str) -> AsyncIterator[Object]:
    async with aclosing(lab.cluster.api.watch(JOB, namespace, version=version)) as events:
        async for event in events:
            if event.type != "BOOKMARK" and event.object["metadata"]["name"] == name:
                yield event.object


def turned(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda status: kind in {each["type"] for each in status.get("conditions", ())}


def test_pods_that_end_well_complete_a_job(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        await lab.cluster.api.create(JOB, namespace, job("well", 3, "--help"))
        status = await until_job(lab, namespace, "well", turned("Complete"))
        assert (status["succeeded"], status["completedIndexes"]) == (3, "0-2")
        pods = (await lab.cluster.api.list(POD, namespace, selector="job-name=well")).items
        assert {pod["status"]["phase"] for pod in pods} == {"Succeeded"}
        await lab.cluster.api.delete(JOB, namespace, "well")
        await until(lab.cluster.api, "well", gone, namespace)

    lab.call(course)


def test_a_pod_that_fails_fails_the_job_and_the_others_end(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        # Of these options the second pod's are wrong.
        made = job("badly", 2, "--latency-ms", "$(JOB_COMPLETION_INDEX)", "--dear-ratio", "$(JOB_COMPLETION_INDEX).5")
        made["spec"]["backoffLimit"] = 0
        await lab.cluster.api.create(JOB, namespace, made)
        status = await until_job(lab, namespace, "badly", turned("Failed"))
        reasons = {each["type"]: each["reason"] for each in status["conditions"]}
        assert reasons == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
        assert (status["failed"], status["terminating"], status.get("active")) == (1, 0, None)
        (left,) = (await lab.cluster.api.list(POD, namespace, selector="job-name=badly")).items
        state = left["status"]["containerStatuses"][0]["state"]["terminated"]
        assert (state["exitCode"], left["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"]) == (2, "1")
        assert "--dear-ratio: not float from 0.0 to 1.0: '1.5'" in state["message"]

    lab.call(course)


def test_each_process_knows_its_index_and_a_deadline_ends_them(lab: Lab, namespace: str) -> None:
    async def course() -> None:
        made = job("endless", 2, "--lame-duck-s", "0", activeDeadlineSeconds=600)
        await lab.cluster.api.create(JOB, namespace, made)
        status = await until_job(lab, namespace, "endless", lambda status: status.get("ready") == 2)
        assert status["active"] == 2
        pods = (await lab.cluster.api.list(POD, namespace, selector="job-name=endless")).items
        given = {environment(processes(pod["metadata"]["name"])[0])["JOB_COMPLETION_INDEX"] for pod in pods}
        assert given == {"0", "1"}
        await lab.cluster.api.patch(JOB, namespace, "endless", {"spec": {"activeDeadlineSeconds": 1}})
        status = await until_job(lab, namespace, "endless", turned("Failed"))
        assert {each["reason"] for each in status["conditions"]} == {"DeadlineExceeded"}
        await until(lab.cluster.api, "endless", gone, namespace)

    lab.call(course)


def test_without_a_policy_the_pods_of_a_deleted_job_stay(lab: Lab, namespace: str) -> None:
    lab.call(lab.cluster.api.create, JOB, namespace, job("left", 1, "--help"))
    lab.call(until_job, lab, namespace, "left", turned("Complete"))
    with kubernetes.config.new_client_from_config(str(lab.cluster.kubeconfig)) as client:
        batch: Any = kubernetes.client.BatchV1Api(client)
        _answer, code, headers = batch.delete_namespaced_job_with_http_info("left", namespace)
        assert (code, "child pods are preserved by default" in headers["warning"]) == (200, True)
    (pod,) = lab.call(lab.cluster.api.list, POD, namespace, selector="job-name=left").items
    assert "ownerReferences" not in pod["metadata"]


def test_kubectl_waits_for_a_job_and_deletes_it_with_its_pods(lab: Lab, namespace: str) -> None:
    command = [kubectl(), "--kubeconfig", str(lab.cluster.kubeconfig), "-n", namespace]

    def run(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    lab.call(lab.cluster.api.create, JOB, namespace, job("waited", 2, "--help"))
    assert run("wait", "--for=condition=complete", "job/waited", "--timeout=60s") == "job.batch/waited condition met\n"
    header, line = run("get", "jobs").splitlines()
    assert (header.split(), line.split()[:3]) == (
        ["NAME", "STATUS", "COMPLETIONS", "AGE"],
        ["waited", "Complete", "2/2"],
    )
    run("delete", "job", "waited")
    lab.call(until, lab.cluster.api, "waited", gone, namespace)
