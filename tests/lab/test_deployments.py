"""What a Deployment does next: alone, and until it is done, with pods that come up and go in any order."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lab.deployments import is_orphan, plan_step, template_hash
from benchmarks.lab.kinds import DEPLOYMENT, POD, Object
from benchmarks.lab.store import Store

LABELS = {"app": "echo"}


def deployment(replicas: int | None = 3, **rolling: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "echo", "args": []}]}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    if rolling:
        spec["strategy"] = {"rollingUpdate": rolling}
    return {"metadata": {"name": "echo"}, "spec": spec}


class World:
    """A store in which one Deployment's steps are carried out, one at a time, and pods do as they are told."""

    def __init__(self, made: dict[str, Any]) -> None:
        self.store = Store()
        self.store.create(DEPLOYMENT, "default", made)

    @property
    def deployment(self) -> Object:
        return self.store.get(DEPLOYMENT, "default", "echo")

    @property
    def pods(self) -> tuple[Object, ...]:
        return self.store.list(POD, "default")

    def step(self) -> tuple[int, int]:
        """How many pods were created and deleted."""
        step = plan_step(self.deployment, self.pods)
        for new in step.create:
            self.store.create(POD, "default", new)
        for pod in step.delete:
            self.change(pod, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
        return len(step.create), len(step.delete)

    def turn(self, pod: Object, *, ready: bool) -> None:
        self.change(pod, {"status": {"conditions": [{"type": "Ready", "status": str(ready)}]}})

    def all_ready(self) -> None:
        for pod in self.pods:
            self.turn(pod, ready=True)

    def change(self, pod: Object, patch: dict[str, Any]) -> None:
        self.store.patch(POD, "default", pod["metadata"]["name"], patch)

    def update(self, spec: dict[str, Any]) -> None:
        self.store.patch(DEPLOYMENT, "default", "echo", {"spec": spec})

    def new_template(self) -> None:
        self.update({"template": {"metadata": {"annotations": {"restarted": str(self.store.version)}}}})


def status(world: World) -> dict[str, Any]:
    return {key: value for key, value in plan_step(world.deployment, world.pods).status.items() if key != "conditions"}


def test_pods_are_made_from_the_template_and_owned() -> None:
    world = World(deployment(2))
    assert world.step() == (2, 0)
    assert world.step() == (0, 0)

    revision = template_hash(world.deployment["spec"]["template"])
    for pod in world.pods:
        name, *_ = pod["metadata"]["name"].rpartition("-")
        assert name == f"echo-{revision}"
        assert pod["metadata"]["labels"] == {**LABELS, "pod-template-hash": revision}
        (owner,) = pod["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("Deployment", world.deployment["metadata"]["uid"])
        assert pod["spec"] == world.deployment["spec"]["template"]["spec"]


def test_without_a_number_there_is_one_replica() -> None:
    assert World(deployment(None)).step() == (1, 0)


def test_the_status_counts_what_is_there() -> None:
    world = World(deployment(3))
    world.step()
    world.turn(world.pods[0], ready=True)
    assert status(world) == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "unavailableReplicas": 2,
    }
    world.new_template()
    assert status(world) | {"observedGeneration": 2, "updatedReplicas": 0} == status(world)


def test_who_is_not_ready_goes_first() -> None:
    world = World(deployment(4))
    world.step()
    world.all_ready()
    world.turn(world.pods[2], ready=False)
    world.update({"replicas": 3})
    (gone,) = plan_step(world.deployment, world.pods).delete
    assert gone["metadata"]["name"] == world.pods[2]["metadata"]["name"]


def test_an_old_pod_that_is_not_ready_stays_while_its_successor_is_not_ready_either() -> None:
    world = World(deployment(3, maxSurge=1, maxUnavailable=0))
    world.step()
    world.all_ready()
    old = {pod["metadata"]["name"] for pod in world.pods}
    failing = world.pods[0]
    world.new_template()
    assert world.step() == (1, 0)
    world.turn(failing, ready=False)
    assert world.step() == (0, 0)
    (successor,) = [pod for pod in world.pods if pod["metadata"]["name"] not in old]
    world.turn(successor, ready=True)
    (gone,) = plan_step(world.deployment, world.pods).delete
    assert gone["metadata"]["name"] == failing["metadata"]["name"]


def test_a_pod_that_is_deleted_or_has_failed_or_lost_its_label_is_replaced() -> None:
    world = World(deployment(3))
    world.step()
    first, second, third = world.pods
    world.change(first, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    world.change(second, {"status": {"phase": "Failed"}})
    world.change(third, {"metadata": {"labels": {"app": None}}})
    assert world.step() == (3, 0)


def test_pods_of_others_are_left_alone() -> None:
    world = World(deployment(0))
    world.store.create(POD, "default", {"metadata": {"name": "mine", "labels": LABELS}})
    assert world.step() == (0, 0)
    assert not is_orphan(world.pods[0], [])


def test_pods_of_a_deployment_that_is_gone_are_orphans() -> None:
    world = World(deployment(1))
    world.step()
    uid = world.deployment["metadata"]["uid"]
    assert not is_orphan(world.pods[0], [uid])
    assert is_orphan(world.pods[0], ["another"])


@pytest.mark.parametrize(
    ("replicas", "rolling", "first"),
    [
        (5, {"maxSurge": 1, "maxUnavailable": 0}, (1, 0)),
        (4, {}, (1, 1)),
        (3, {}, (1, 0)),
        (10, {"maxSurge": 0, "maxUnavailable": "30%"}, (0, 3)),
        (10, {"maxSurge": "25%", "maxUnavailable": 0}, (3, 0)),
        (2, {"maxSurge": 0, "maxUnavailable": 0}, (0, 1)),
    ],
)
def test_a_new_template_begins_with_as_many_as_may_be(
    replicas: int, rolling: dict[str, Any], first: tuple[int, int]
) -> None:
    world = World(deployment(replicas, **rolling))
    world.step()
    world.all_ready()
    world.new_template()
    assert world.step() == first


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(0, 4),
    st.integers(0, 4),
    st.randoms(use_true_random=False),
)
def test_a_rollout_ends_and_never_has_too_few_or_too_many(
    replicas: int, surge: int, unavailable: int, chance: random.Random
) -> None:
    world = World(deployment(replicas, maxSurge=surge, maxUnavailable=unavailable))
    world.step()
    world.all_ready()
    world.new_template()
    least = replicas - (unavailable if surge or unavailable else 1)
    for _ in range(20 * replicas):
        made, deleted = world.step()
        now = status(world)
        assert now["readyReplicas"] >= least
        assert now["replicas"] <= replicas + surge
        waiting = [pod for pod in world.pods if not pod.get("status", {}).get("conditions")]
        if waiting:
            world.turn(chance.choice(waiting), ready=True)
        elif not made and not deleted:
            break
    counts = {now[field] for field in ("replicas", "updatedReplicas", "readyReplicas")}
    assert counts == {replicas}
