"""Why a pod cannot come to run, in one line, as its status tells it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.lab.kinds import Object

_IMAGE = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
"""Reasons of a kubelet that cannot get an image; ErrImagePull is said before it tries again, and is no end yet."""

_CONTAINER = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def fatal(pod: Object) -> str | None:
    """What will not mend itself; None if there is nothing of the kind."""
    name = pod["metadata"]["name"]
    for status in _containers(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason, image = waiting.get("reason"), status.get("image", "")
        said = " ".join(str(waiting.get("message") or "").split())
        if reason in _IMAGE:
            return (
                f"pod {name} cannot get its image {image} ({reason}: {said}): push it to where the nodes pull from, or "
                "load it into them (kind load docker-image), and name it with --image"
            )
        if reason in _CONTAINER:
            return f"pod {name} cannot start its container ({reason}: {said})"
        if reason == "CrashLoopBackOff":
            last = (status.get("lastState") or {}).get("terminated") or {}
            return f"pod {name} ends again and again, with exit status {last.get('exitCode', 'unknown')} ({said})"
    return None


def unschedulable(pod: Object) -> str | None:
    """Why no node takes the pod now; None if one has, or nobody has tried."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return f"pod {pod['metadata']['name']} stays pending, as no node takes it: {condition.get('message', '')}"
    return None


def _containers(pod: Object) -> Iterator[Object]:
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()
