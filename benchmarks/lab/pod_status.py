"""What a kubelet tells of a pod in its status; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from .kinds import Object

State = dict[str, Any]
"""A container's: running, waiting or terminated."""


def running(since: datetime) -> State:
    return {"running": {"startedAt": _text(since)}}


def waiting(reason: str, message: str = "") -> State:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def terminated(exit_code: int, since: datetime, until: datetime, message: str = "") -> State:
    """`message` are the last words of what failed, as with `terminationMessagePolicy: FallbackToLogsOnError`."""
    told = {"message": message} if message and exit_code else {}
    return {
        "terminated": {
            "exitCode": exit_code,
            "reason": "Error" if exit_code else "Completed",
            "startedAt": _text(since),
            "finishedAt": _text(until),
            **told,
        }
    }


def container_status(
    container: Object, state: State, *, ready: bool = False, restarts: int = 0, last: State | None = None
) -> dict[str, Any]:
    """The entry of one container; `last` is how it ended before it was started again."""
    image = container.get("image", "")
    return {
        "name": container.get("name", ""),
        "state": state,
        "lastState": last or {},
        "ready": ready,
        "started": "running" in state,
        "restartCount": restarts,
        "image": image,
        "imageID": "",
    }


def pod_status(
    before: Mapping[str, Any], phase: str, address: str, container: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The whole status of a pod that is on a node; conditions that stay keep the moment at which they turned."""
    ready = bool(container["ready"])
    told = {"status": str(ready)}
    if not ready:
        told["reason"] = "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
    now_so = {
        "PodScheduled": {"status": "True"},
        "Initialized": {"status": "True"},
        "ContainersReady": told,
        "Ready": told,
    }
    return {
        "phase": phase,
        "conditions": turned(before.get("conditions") or (), now_so, now),
        "startTime": before.get("startTime") or _text(now),
        "containerStatuses": [dict(container)],
        **({"podIP": address, "podIPs": [{"ip": address}]} if address else {}),
    }


def unschedulable(before: Mapping[str, Any], message: str, now: datetime) -> dict[str, Any]:
    """The status of a pod that no node takes."""
    condition = {"status": "False", "reason": "Unschedulable", "message": message}
    conditions = turned(before.get("conditions") or (), {"PodScheduled": condition}, now)
    return {**before, "phase": "Pending", "conditions": conditions}


def turned(
    before: Iterable[Mapping[str, Any]], now_so: Mapping[str, Mapping[str, str]], now: datetime
) -> list[dict[str, Any]]:
    """Conditions by type, each with the moment since when it has been so."""
    known = {each["type"]: each for each in before}
    conditions = []
    for kind, condition in now_so.items():
        old = known.get(kind) or {}
        since = old.get("lastTransitionTime") if old.get("status") == condition["status"] else None
        conditions.append({"type": kind, **condition, "lastTransitionTime": since or _text(now)})
    return conditions


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
