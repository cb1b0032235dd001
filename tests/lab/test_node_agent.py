"""Pods that come through the API become processes, as a Deployment or a user asks for them."""

from __future__ import annotations

import os
import signal
from typing import Any

from benchmarks.lab import manifests
from benchmarks.lab.kinds import DEPLOYMENT, ENDPOINT_SLICE, POD
from tests.conftest import Lab

from .running import all_ready, gone, processes, until, waits

ZONES = {"node-0": "zone-a", "node-1": "zone-b", "node-2": "zone-c"}


def pod(name: str, *arguments: str) -> dict[str, Any]:
    made = manifests.deployment(name, 1)["spec"]["template"]
    made["spec"]["containers"][0]["args"] = list(arguments)
    return {"metadata": {**made["metadata"], "name": name}, "spec": made["spec"]}


def test_a_deployment_is_scaled_restarted_and_deleted(lab: Lab) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await lab.cluster.create_service("scaled")
        made = manifests.deployment("scaled", 3)
        made["spec"]["template"]["spec"]["containers"][0]["args"] = ["--lame-duck-s", "0"]
        await api.create(DEPLOYMENT, "default", made)
        first = await until(api, "scaled", all_ready(3))
        assert {ZONES[one["spec"]["nodeName"]] for one in first.values()} <= set(ZONES.values())
        assert all(len(processes(name)) == 1 for name in first)

        await api.patch(DEPLOYMENT, "default", "scaled", {"spec": {"replicas": 2}})
        second = await until(api, "scaled", all_ready(2))
        assert second.keys() < first.keys()

        again = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
        await api.patch(DEPLOYMENT, "default", "scaled", again)
        third = await until(api, "scaled", lambda pods: all_ready(2)(pods) and pods.keys().isdisjoint(second))

        await api.delete(POD, "default", min(third), grace_s=30)
        await until(api, "scaled", lambda pods: all_ready(2)(pods) and min(third) not in pods)

        await api.delete(DEPLOYMENT, "default", "scaled")
        await until(api, "scaled", gone)
        assert [process for name in (*first, *third) for process in processes(name)] == []

    lab.call(course)


def test_a_process_that_ends_by_itself_is_started_again_and_the_cluster_lives(lab: Lab) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(POD, "default", pod("crashing"))
        await until(api, "crashing", all_ready(1))
        (process,) = processes("crashing")
        os.kill(process, signal.SIGKILL)
        await until(api, "crashing", lambda pods: waits(pods["crashing"], "CrashLoopBackOff"))
        again = await until(api, "crashing", all_ready(1))
        (container,) = again["crashing"]["status"]["containerStatuses"]
        assert (container["restartCount"], container["lastState"]["terminated"]["exitCode"]) == (1, 137)
        # With force: nobody waits, and the process is gone with the object.
        await api.delete(POD, "default", "crashing")
        await until(api, "crashing", gone)

    lab.call(course)


def test_wrong_arguments_are_told_in_the_status(lab: Lab) -> None:
    async def course() -> None:
        api = lab.cluster.api
        await api.create(POD, "default", pod("mistaken", "--latency", "fast"))
        told = await until(api, "mistaken", lambda pods: waits(pods["mistaken"], "CrashLoopBackOff"))
        (container,) = told["mistaken"]["status"]["containerStatuses"]
        assert "services.provider: argument --latency-ms: not float" in container["state"]["waiting"]["message"]
        await api.delete(POD, "default", "mistaken", grace_s=30)
        await until(api, "mistaken", gone)

    lab.call(course)


def test_a_pod_of_the_lab_ends_when_its_object_is_deleted(lab: Lab) -> None:
    lab.call(lab.cluster.create_service, "deleted")
    (started,) = lab.call(lab.cluster.start_pods, "deleted", 1)
    lab.call(lab.cluster.api.delete, POD, "default", started.name, grace_s=30)
    lab.call(until, lab.cluster.api, "deleted", gone)
    assert processes(started.name) == []


def test_a_thousand_endpoints_need_no_pods(lab: Lab) -> None:
    addresses = lab.call(lab.cluster.endpoints_without_pods, "crowded", 1000)
    selector = "kubernetes.io/service-name=crowded"
    slices = lab.call(lab.cluster.api.list, ENDPOINT_SLICE, "default", selector=selector).items
    assert [len(one["endpoints"]) for one in slices] == [100] * 10
    assert {each["addresses"][0] for one in slices for each in one["endpoints"]} == set(addresses)
    assert len(set(addresses)) == 1000
    for one in slices:
        lab.call(lab.cluster.api.delete, ENDPOINT_SLICE, "default", one["metadata"]["name"])
