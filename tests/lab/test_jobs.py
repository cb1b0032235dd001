"""What an Indexed Job does next: alone, and until it is over, with pods that end well and badly in any order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lab.defaults import identified, with_defaults
from benchmarks.lab.jobs import INDEX, Step, as_ranges, indexes, plan_step
from benchmarks.lab.kinds import JOB, POD, Object
from benchmarks.lab.store import Store
from benchmarks.lab.store_errors import InvalidError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(completions: int = 3, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "env": [{"name": "A", "value": "1"}]}
    pods = {"metadata": {"labels": {"app": "x"}}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    given = {"completionMode": "Indexed", "completions": completions, "template": pods, **spec}
    return {"metadata": {"name": "load"}, "spec": given}


class World:
    """A store in which one Job's steps are carried out, one at a time, and pods do as they are told."""

    def __init__(self, made: dict[str, Any]) -> None:
        self.store = Store()
        self.now = NOW
        self.store.create(JOB, "shop", with_defaults(JOB, made, ()), lambda new: identified(JOB, new))

    @property
    def job(self) -> Object:
        return self.store.get(JOB, "shop", "load")

    @property
    def pods(self) -> tuple[Object, ...]:
        return self.store.list(POD, "shop")

    @property
    def status(self) -> dict[str, Any]:
        return dict(self.job["status"])

    @property
    def conditions(self) -> dict[str, str]:
        return {each["type"]: each["reason"] for each in self.status.get("conditions", ())}

    def step(self) -> Step:
        """What is planned, done."""
        step = plan_step(self.job, self.pods, self.now)
        for new in step.create:
            self.store.create(POD, "shop", new)
        for pod in step.delete:
            self.change(pod, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
        status = plan_step(self.job, self.pods, self.now).status
        self.store.change(JOB, "shop", "load", lambda old: {**old, "status": dict(status)})
        return step

    def end(self, pod: Object, *, well: bool) -> None:
        ended = {"terminated": {"exitCode": 0 if well else 1, "finishedAt": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")}}
        told = {"phase": "Succeeded" if well else "Failed", "containerStatuses": [{"name": "main", "state": ended}]}
        self.change(pod, {"status": told})

    def change(self, pod: Object, patch: dict[str, Any]) -> None:
        self.store.patch(POD, "shop", pod["metadata"]["name"], patch)

    def working(self) -> list[Object]:
        return [
            pod
            for pod in self.pods
            if pod["status"]["phase"] == "Pending" and "deletionTimestamp" not in pod["metadata"]
        ]


def index(pod: Object) -> int:
    return int(pod["metadata"]["labels"][INDEX])


def test_a_pod_tells_its_index_in_every_way_that_there_is() -> None:
    world = World(job(2, parallelism=2))
    world.step()
    uid = world.job["metadata"]["uid"]
    for number, pod in enumerate(world.pods):
        name, suffix = pod["metadata"]["name"].rsplit("-", 1)
        assert (name, len(suffix), pod["spec"]["hostname"]) == (f"load-{number}", 5, f"load-{number}")
        assert pod["metadata"]["labels"] == {
            "app": "x",
            INDEX: str(number),
            "batch.kubernetes.io/job-name": "load",
            "job-name": "load",
            "batch.kubernetes.io/controller-uid": uid,
            "controller-uid": uid,
        }
        assert pod["metadata"]["annotations"] == {INDEX: str(number)}
        (owner,) = pod["metadata"]["ownerReferences"]
        assert (owner["apiVersion"], owner["kind"], owner["uid"]) == ("batch/v1", "Job", uid)
        variable, other = pod["spec"]["containers"][0]["env"]
        assert variable["name"] == "JOB_COMPLETION_INDEX"
        assert variable["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.labels['{INDEX}']"
        assert other == {"name": "A", "value": "1"}
    assert world.job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def test_no_more_run_at_a_time_than_may_and_the_rest_comes_after() -> None:
    world = World(job(3, parallelism=2))
    assert [index(new) for new in world.step().create] == [0, 1]
    assert world.step().create == ()
    assert (world.status["active"], world.status["ready"]) == (2, 0)
    world.end(world.pods[0], well=True)
    assert [index(new) for new in world.step().create] == [2]
    assert (world.status["succeeded"], world.status["completedIndexes"]) == (1, "0")


def test_a_job_is_complete_when_each_index_has_succeeded() -> None:
    world = World(job(2, parallelism=2))
    world.step()
    for pod in world.pods:
        world.end(pod, well=True)
    world.step()
    assert world.conditions == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    assert world.status["completionTime"] == "2026-01-01T00:00:00Z"
    assert (world.status["succeeded"], world.status.get("active")) == (2, None)
    before = world.job
    world.step()
    assert world.job == before


def test_a_failure_is_tried_again_after_a_while() -> None:
    world = World(job(1))
    world.step()
    world.end(world.pods[0], well=False)
    step = world.step()
    assert (step.create, step.wake_s) == ((), 1.0)
    world.now += timedelta(seconds=1)
    assert [index(new) for new in world.step().create] == [0]
    world.end(world.working()[0], well=False)
    assert world.step().wake_s == 2.0
    assert world.status["failed"] == 2


def test_more_failures_than_may_be_end_it_and_what_still_runs() -> None:
    world = World(job(2, parallelism=2, backoffLimit=0))
    world.step()
    first, second = world.pods
    world.end(first, well=False)
    (ending,) = world.step().delete
    assert ending["metadata"]["name"] == second["metadata"]["name"]
    # The end is not told before the last pod has gone.
    assert world.conditions == {"FailureTarget": "BackoffLimitExceeded"}
    assert (world.status["terminating"], world.status["failed"]) == (1, 1)
    world.store.delete(POD, "shop", second["metadata"]["name"])
    world.step()
    assert world.conditions == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    assert "completionTime" not in world.status
    assert world.step().create == ()


def test_a_deadline_ends_it() -> None:
    world = World(job(1, activeDeadlineSeconds=5))
    assert world.step().wake_s == 5.0
    world.now += timedelta(seconds=5)
    assert len(world.step().delete) == 1
    world.store.delete(POD, "shop", world.pods[0]["metadata"]["name"])
    world.step()
    assert world.conditions["Failed"] == "DeadlineExceeded"


def test_what_is_over_goes_after_its_time() -> None:
    world = World(job(1, ttlSecondsAfterFinished=7))
    world.step()
    world.end(world.pods[0], well=True)
    world.step()
    step = world.step()
    assert (step.wake_s, step.expired) == (7.0, False)
    world.now += timedelta(seconds=7)
    assert plan_step(world.job, world.pods, world.now).expired


def test_a_success_counts_after_its_pod_has_gone() -> None:
    world = World(job(2))
    world.step()
    world.end(world.pods[0], well=True)
    world.step()
    world.store.delete(POD, "shop", world.pods[0]["metadata"]["name"])
    world.step()
    assert world.status["completedIndexes"] == "0"
    assert [index(pod) for pod in world.pods] == [1]


def test_a_pod_that_is_deleted_is_replaced() -> None:
    world = World(job(1))
    world.step()
    world.change(world.pods[0], {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert [index(new) for new in world.step().create] == [0]
    assert world.status["terminating"] == 1


def test_fewer_at_a_time_end_those_that_are_too_many() -> None:
    world = World(job(3, parallelism=3))
    world.step()
    world.store.patch(JOB, "shop", "load", {"spec": {"parallelism": 1}})
    assert [index(pod) for pod in world.step().delete] == [1, 2]


@pytest.mark.parametrize("text", ["", "0", "0,1", "0-2", "1,3-5,7", "0-9,11,12"])
def test_indexes_are_written_as_the_real_controller_does(text: str) -> None:
    assert as_ranges(indexes(text)) == text


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 6), st.randoms(use_true_random=False))
def test_a_job_ends_and_each_index_succeeds_once(
    completions: int, parallelism: int, limit: int, chance: random.Random
) -> None:
    world = World(job(completions, parallelism=parallelism, backoffLimit=limit))
    for _ in range(20 * (completions + limit)):
        world.step()
        assert len(world.working()) <= parallelism
        if {"Complete", "Failed"} & world.conditions.keys():
            break
        for pod in world.pods:
            if "deletionTimestamp" in pod["metadata"]:
                world.store.delete(POD, "shop", pod["metadata"]["name"])
        if working := world.working():
            world.end(chance.choice(working), well=chance.random() < 0.7)
        world.now += timedelta(seconds=400)
    failed = sum(pod["status"]["phase"] == "Failed" for pod in world.pods)
    assert (
        world.conditions.keys() == {"FailureTarget", "Failed"} if failed > limit else {"SuccessCriteriaMet", "Complete"}
    )
    succeeded = [index(pod) for pod in world.pods if pod["status"]["phase"] == "Succeeded"]
    assert len(succeeded) == len(set(succeeded)) == world.status.get("succeeded", 0)
    if "Complete" in world.conditions:
        assert world.status["completedIndexes"] == as_ranges(range(completions))


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"completionMode": "NonIndexed"}, "spec.completionMode: Invalid value"),
        ({"completionMode": None}, "spec.completionMode: Invalid value"),
        ({"completions": None}, "spec.completions: Required value: when completion mode is Indexed"),
        ({"parallelism": -1}, "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"),
        ({"suspend": True}, "spec.suspend: Invalid value"),
        ({"podFailurePolicy": {"rules": []}}, "spec.podFailurePolicy: Invalid value"),
        ({"template": {"spec": {"containers": [{}]}}}, 'restartPolicy: Unsupported value: "Always"'),
        ({"template": {"spec": {"restartPolicy": "Never"}}}, "spec.template.spec.containers: Required value"),
        ({"selector": {"matchLabels": {"a": "b"}}}, "spec.selector: Invalid value: `selector` not auto-generated"),
    ],
)
def test_jobs_that_the_controller_could_not_take_are_refused(spec: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidError, match='Job "load" is invalid') as refused:
        with_defaults(JOB, job(**spec), ())
    assert fault in str(refused.value)


def test_what_a_job_does_stays() -> None:
    world = World(job(2))
    changed = {**world.job, "spec": {**world.job["spec"], "completions": 3}}
    with pytest.raises(InvalidError, match=r"spec\.completions: Invalid value: field is immutable"):
        with_defaults(JOB, changed, (), world.job)
