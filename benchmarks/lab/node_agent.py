"""Pods that come through the API: each is given a node and an address, its process runs, and ends with its object.

What a scheduler, an address plan and the kubelets of all nodes are in a cluster. What runs is said in `pod_program`.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

from .background import Background
from .client import ApiClient, ApiError
from .controllers import reconcile
from .credentials import Credentials
from .kinds import NODE, POD, Object, key_of
from .mirror import Mirror
from .pod_life import PodLife
from .pod_status import unschedulable
from .pods import Kubelet
from .scheduling import SCHEDULER, Unschedulable, node_for


class NodeAgent:
    """Runs the Pods of every namespace that have no address yet, on the nodes that the API knows.

    A Pod that has one when it is first seen is somebody else's, but ends, too, when its object is deleted.
    """

    def __init__(
        self,
        client: ApiClient,
        kubelet: Kubelet,
        background: Background,
        credentials: Credentials,
        addresses: Iterator[str],
    ) -> None:
        self._client = client
        self._kubelet = kubelet
        self._background = background
        self._credentials = credentials
        self._addresses = addresses
        self._running: dict[str, asyncio.Task[None]] = {}  # by uid
        self._leaving: set[str] = set()
        self._changed = asyncio.Event()
        self._pods, self._nodes = (Mirror(client, kind, self._changed.set) for kind in (POD, NODE))

    async def run(self) -> None:
        """Follow the API until cancelled; raises an `ExceptionGroup` of `ApiError` if it refuses."""
        await reconcile((self._pods, self._nodes), self._changed, self._act)

    async def _act(self) -> None:
        pods = {pod["metadata"]["uid"]: pod for pod in self._pods.objects.values()}
        for uid in self._running.keys() - pods.keys():  # deleted with force: nobody waits for what is in flight
            await self._end(uid)
        self._leaving &= pods.keys()
        for uid, pod in pods.items():
            if "deletionTimestamp" in pod["metadata"]:
                if uid not in self._leaving and (uid in self._running or self._kubelet.serves(key_of(pod))):
                    self._leaving.add(uid)
                    self._background.start(self._leave(pod), f"end of pod {pod['metadata']['name']}")
            elif uid not in self._running and _is_new(pod):
                await self._place(pod)

    async def _place(self, pod: Object) -> None:
        """Have a pod run that is on a node; put it on one where it is on none."""
        if not (node := pod["spec"].get("nodeName")):
            await self._schedule(pod)
        elif node in {name for _, name in self._nodes.objects}:
            uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
            life = PodLife(self._client, self._kubelet, self._credentials, pod, next(self._addresses))
            self._running[uid] = self._background.start(life.run(), f"pod {name}")

    async def _schedule(self, pod: Object) -> None:
        if pod["spec"].get("schedulerName", SCHEDULER) != SCHEDULER:
            return
        try:
            node = node_for(pod, tuple(self._nodes.objects.values()), self._pods.objects.values())
        except Unschedulable as error:
            before = pod.get("status") or {}
            told = unschedulable(before, str(error), datetime.now(UTC))
            if told != before:
                self._pods.note(await self._client.patch_status(POD, pod, told))
            return
        await self._client.bind(pod, node)
        bound = await self._client.get(POD, *key_of(pod))
        self._pods.note(bound)
        await self._place(bound)

    async def _leave(self, pod: Object) -> None:
        metadata = pod["metadata"]
        await self._kubelet.quit(key_of(pod), metadata.get("deletionGracePeriodSeconds", 0), _hook_s(pod))
        await self._end(metadata["uid"])
        with contextlib.suppress(ApiError):
            await self._client.delete(POD, *key_of(pod))

    async def _end(self, uid: str) -> None:
        if task := self._running.pop(uid, None):
            task.cancel()
            await asyncio.wait({task})


def _is_new(pod: Object) -> bool:
    """Whether it is for us to run, and has not run."""
    status = pod.get("status") or {}
    has_run = status.get("podIP") or status.get("phase") in {"Succeeded", "Failed"}
    return not has_run and bool((pod.get("spec") or {}).get("containers"))


def _hook_s(pod: Object) -> float:
    """How long the first container's preStop hook sleeps (KEP-3960)."""
    for container in ((pod.get("spec") or {}).get("containers") or ())[:1]:
        sleep = ((container.get("lifecycle") or {}).get("preStop") or {}).get("sleep") or {}
        return float(sleep.get("seconds", 0))
    return 0.0
