"""What an Indexed Job has to do next: which pods to create, which to delete, and what to report; pure.

https://kubernetes.io/docs/concepts/workloads/controllers/job/, as of 1.36, with `completionMode: Indexed` and
`restartPolicy: Never`. The finalizer is left out by which the real controller counts pods that somebody else deletes:
an index that has succeeded stays so, but a failure that is deleted may not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .deployments import ready
from .kinds import JOB, Object, labels_of
from .ownership import owners, reference

INDEX: Final = "batch.kubernetes.io/job-completion-index"
UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
_NAME_LABELS: Final = ("batch.kubernetes.io/job-name", "job-name")
_UID_LABELS: Final = (UID_LABEL, "controller-uid")
_FIRST_BACKOFF_S: Final = 1.0  # a real controller begins with 10
_LAST_BACKOFF_S: Final = 36.0

_COMPLETE: Final = ("Complete", "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")
_TOO_MANY: Final = ("Failed", "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
_TOO_LATE: Final = ("Failed", "FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")

_Verdict = tuple[str, str, str, str]
"""The condition that ends a Job, the one that announces it, reason and message."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next writes of one Job: pods to create and to delete, and its status afterwards.

    wake_s: when there may be something to do without a change of anything, from now; None: never
    expired: whether the Job itself is to be deleted
    """

    create: tuple[Object, ...]
    delete: tuple[Object, ...]
    status: Mapping[str, Any]
    wake_s: float | None = None
    expired: bool = False


@dataclass(slots=True)
class _Pods:
    """A Job's pods by what they do."""

    active: list[Object] = field(default_factory=list)
    terminating: list[Object] = field(default_factory=list)
    succeeded: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)


def plan_step(job: Object, pods: Iterable[Object], now: datetime) -> Step:
    """The next step towards as many indexes that have succeeded as there are completions; `pods` may be anyone's."""
    mine, status = _sorted(job, pods), job.get("status") or {}
    if _condition(status, "Complete") or _condition(status, "Failed"):
        return _after_the_end(job, mine, status, now)
    completed = indexes(status.get("completedIndexes", "")) | {_index(pod) for pod in mine.succeeded}
    completed &= set(range(job["spec"]["completions"]))
    failed = max(status.get("failed", 0), len(mine.failed))
    started = _moment(status.get("startTime")) or now
    verdict, deadline_s = _verdict(job, status, completed, failed, (now - started).total_seconds())
    counts = {"startTime": _text(started), "succeeded": len(completed), "failed": failed}
    counts |= {"completedIndexes": as_ranges(completed)}
    if verdict:
        counts["conditions"] = _ending(status, verdict, now, over=not (mine.active or mine.terminating))
        if verdict == _COMPLETE and not (mine.active or mine.terminating):
            counts["completionTime"] = _text(now)
        return Step((), tuple(mine.active), _status(counts, mine))
    pause_s = _pause_s(mine, now)
    create, surplus = _pods(job, mine, completed)
    dues = [due for due in (deadline_s, pause_s if create else 0.0) if due]
    new = () if pause_s else tuple(_pod(job, index) for index in create)
    return Step(new, tuple(surplus), _status(counts, mine), min(dues, default=None))


def owns(job: Object, pod: Object) -> bool:
    """Whether the Job has made the pod."""
    return job["metadata"]["uid"] in owners(JOB, pod)


def template_labels(job: Object) -> dict[str, str]:
    """What each pod of a Job is labelled with."""
    metadata = job["metadata"]
    return dict.fromkeys(_NAME_LABELS, metadata["name"]) | dict.fromkeys(_UID_LABELS, metadata["uid"])


def indexes(ranges: str) -> set[int]:
    """Those of a text like `0,2-4`."""
    found: set[int] = set()
    for part in filter(None, ranges.split(",")):
        first, _dash, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def as_ranges(found: Iterable[int]) -> str:
    """The text of some indexes: two in a row are apart, more are a range, as the real controller writes them."""
    runs: list[list[int]] = []
    for index in sorted(found):
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _sorted(job: Object, pods: Iterable[Object]) -> _Pods:
    mine = _Pods()
    for pod in pods:
        if not owns(job, pod):
            continue
        phase = (pod.get("status") or {}).get("phase")
        ends = "deletionTimestamp" in pod["metadata"]
        group = {"Succeeded": mine.succeeded, "Failed": mine.failed}.get(phase) if phase else None
        (mine.terminating if ends and group is None else mine.active if group is None else group).append(pod)
    return mine


def _verdict(
    job: Object, status: Mapping[str, Any], completed: set[int], failed: int, age_s: float
) -> tuple[_Verdict | None, float | None]:
    """Whether the Job is to end, and how; else after what time that is to be asked again."""
    for verdict in (_TOO_MANY, _TOO_LATE, _COMPLETE):
        announced = _condition(status, verdict[1])
        if announced and announced["reason"] == verdict[2]:
            return verdict, None
    spec = job["spec"]
    if failed > spec["backoffLimit"]:
        return _TOO_MANY, None
    left_s = spec["activeDeadlineSeconds"] - age_s if "activeDeadlineSeconds" in spec else None
    if left_s is not None and left_s <= 0:
        return _TOO_LATE, None
    return (_COMPLETE if len(completed) == spec["completions"] else None), left_s


def _pods(job: Object, mine: _Pods, completed: set[int]) -> tuple[list[int], list[Object]]:
    """Indexes that need a pod, and pods that nobody needs."""
    spec = job["spec"]
    wanted = min(spec["parallelism"], spec["completions"] - len(completed))
    working: dict[int, Object] = {}
    surplus = []
    for pod in sorted(mine.active, key=lambda pod: (not ready(pod), _index(pod))):
        index = _index(pod)
        if index in completed or index in working or index >= spec["completions"] or len(working) >= wanted:
            surplus.append(pod)
        else:
            working[index] = pod
    missing = [index for index in range(spec["completions"]) if index not in completed and index not in working]
    return missing[: wanted - len(working)], surplus


def _pause_s(mine: _Pods, now: datetime) -> float:
    """How long to wait before new pods, for failures in a row: twice as long for each."""
    last_success = max(map(_finished, mine.succeeded), default=datetime.min.replace(tzinfo=UTC))
    failures = [moment for moment in map(_finished, mine.failed) if moment >= last_success]
    if not failures:
        return 0.0
    pause_s = min(_FIRST_BACKOFF_S * 2.0 ** (len(failures) - 1), _LAST_BACKOFF_S)
    return max(0.0, (max(failures) - now).total_seconds() + pause_s)


def _after_the_end(job: Object, mine: _Pods, status: Mapping[str, Any], now: datetime) -> Step:
    lives_s = job["spec"].get("ttlSecondsAfterFinished")
    if lives_s is None:
        return Step((), tuple(mine.active), status)
    ended = next(each for kind in ("Complete", "Failed") if (each := _condition(status, kind)))
    since = _moment(ended["lastTransitionTime"]) or now
    left_s = (since + timedelta(seconds=lives_s) - now).total_seconds()
    return Step((), tuple(mine.active), status, left_s if left_s > 0 else None, expired=left_s <= 0)


def _ending(status: Mapping[str, Any], verdict: _Verdict, now: datetime, *, over: bool) -> list[Mapping[str, Any]]:
    """The announcement, and once no pod is left the end itself."""
    final, announced, reason, message = verdict
    moment = _text(now)
    return [
        _condition(status, kind)
        or {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastProbeTime": moment,
            "lastTransitionTime": moment,
        }
        for kind in ((announced, final) if over else (announced,))
    ]


def _status(counts: Mapping[str, Any], mine: _Pods) -> dict[str, Any]:
    """What is none is left out, of these, as by a real server."""
    told = {**counts, "active": len(mine.active)}
    always = {"ready": sum(map(ready, mine.active)), "terminating": len(mine.terminating)}
    return {key: value for key, value in told.items() if value} | always | {"uncountedTerminatedPods": {}}


def _pod(job: Object, index: int) -> dict[str, Any]:
    template, metadata = job["spec"]["template"], job["metadata"]
    its, number = template.get("metadata") or {}, str(index)
    variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}}
    containers = [
        {**each, "env": [variable, *(other for other in each.get("env") or () if other["name"] != variable["name"])]}
        for each in template["spec"]["containers"]
    ]
    return {
        "metadata": {
            "generateName": f"{metadata['name']}-{index}-",
            "namespace": metadata["namespace"],
            "labels": {**(its.get("labels") or {}), INDEX: number},
            "annotations": {**(its.get("annotations") or {}), INDEX: number},
            "ownerReferences": [reference(JOB, job)],
        },
        "spec": {**template["spec"], "containers": containers, "hostname": f"{metadata['name']}-{index}"},
        "status": {"phase": "Pending"},
    }


def _index(pod: Object) -> int:
    return int(labels_of(pod).get(INDEX, -1))


def _finished(pod: Object) -> datetime:
    states = [each["state"].get("terminated") or {} for each in pod["status"].get("containerStatuses") or ()]
    moments = [moment for state in states if (moment := _moment(state.get("finishedAt")))]
    return max(moments, default=None) or _moment(pod["metadata"]["creationTimestamp"]) or datetime.now(UTC)


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    conditions = status.get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind and each["status"] == "True"), None)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
