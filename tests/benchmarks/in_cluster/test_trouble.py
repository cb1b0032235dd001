"""Why a pod does not come to run, as its status says."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.in_cluster.trouble import fatal, unschedulable


def pod(*states: dict[str, Any], conditions: list[dict[str, str]] | None = None) -> dict[str, Any]:
    statuses = [{"name": "c", "image": "demo:1", **state} for state in states]
    return {"metadata": {"name": "echo-x"}, "status": {"containerStatuses": statuses, "conditions": conditions or []}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "ErrImagePull"])
def test_what_may_mend_itself_is_no_trouble(reason: str) -> None:
    assert fatal(pod(waiting(reason))) is None
    assert fatal({"metadata": {"name": "echo-x"}}) is None
    assert fatal(pod({"state": {"running": {}}})) is None


def test_an_image_that_cannot_be_had_is_told_with_the_remedy() -> None:
    told = fatal(pod(waiting("ImagePullBackOff", 'Back-off pulling\nimage "demo:1"')))

    assert told is not None
    assert told.startswith('pod echo-x cannot get its image demo:1 (ImagePullBackOff: Back-off pulling image "demo:1")')
    assert "--image" in told


def test_a_container_that_ends_again_and_again_is_told_with_its_status() -> None:
    state = {**waiting("CrashLoopBackOff", "back-off 10s"), "lastState": {"terminated": {"exitCode": 2}}}

    assert fatal(pod(state)) == "pod echo-x ends again and again, with exit status 2 (back-off 10s)"


def test_a_container_that_cannot_start_is_told() -> None:
    told = fatal(pod(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")))

    assert told is not None
    assert told.startswith(
        "pod echo-x cannot start its container (CreateContainerConfigError: container has runAsNonRoot"
    )


def test_a_pod_that_no_node_takes_is_told_in_the_schedulers_words() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no CPU"}

    assert unschedulable(pod(conditions=[condition])) == (
        "pod echo-x stays pending, as no node takes it: 0/3 nodes: no CPU"
    )
    assert unschedulable(pod(conditions=[{"type": "PodScheduled", "status": "True"}])) is None
