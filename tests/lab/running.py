"""The pods of an app in the lab: what their objects say, and the processes that they are."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from benchmarks.lab.client import ApiClient
from benchmarks.lab.deployments import ready
from benchmarks.lab.kinds import POD, Object

Pods = dict[str, Object]


async def until(api: ApiClient, app: str, holds: Callable[[Pods], bool], namespace: str = "default") -> Pods:
    """Wait until it holds for the pods of an app, by name; returns them."""
    selector = f"app={app}"
    listed = await api.list(POD, namespace, selector=selector)
    pods = {pod["metadata"]["name"]: pod for pod in listed.items}
    if holds(pods):
        return pods
    async with aclosing(api.watch(POD, namespace, version=listed.version, selector=selector)) as events:
        async for event in events:
            if event.type == "DELETED":
                pods.pop(event.object["metadata"]["name"], None)
            elif event.type != "BOOKMARK":
                pods[event.object["metadata"]["name"]] = event.object
            if holds(pods):
                return pods
    raise AssertionError("the watch ended")


def all_ready(count: int) -> Callable[[Pods], bool]:
    def holds(pods: Pods) -> bool:
        staying = [pod for pod in pods.values() if "deletionTimestamp" not in pod["metadata"]]
        return len(staying) == len(pods) == count and all(map(ready, staying))

    return holds


def gone(pods: Pods) -> bool:
    return not pods


def state_of(pod: Object) -> dict[str, Any]:
    """That of its only container; empty before there is one."""
    told = (pod.get("status") or {}).get("containerStatuses") or [{"state": {}}]
    return dict(told[0]["state"])


def waits(pod: Object, reason: str) -> bool:
    return bool(state_of(pod).get("waiting", {}).get("reason") == reason)


def processes(pod: str) -> list[int]:
    """The processes that say they are the pod."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"POD_NAME={pod}".encode() in words:
            found.append(int(folder.name))
    return found


def environment(process: int) -> dict[str, str]:
    words = (Path("/proc") / str(process) / "environ").read_text().split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


def kubeconfig(file: Path) -> tuple[dict[str, Any], int]:
    """What is in a file for clients, and its permissions."""
    content: dict[str, Any] = json.loads(file.read_text())
    return content, stat.S_IMODE(file.stat().st_mode)


def files_of(folder: str) -> list[Path]:
    return list(Path(folder).iterdir())
