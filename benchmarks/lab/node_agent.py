"""Pods that come through the API: each is given a node and an address, its process runs, and ends with its object.

What a scheduler, an address plan and the kubelets of all nodes are in a cluster. Whatever image a container names, what
runs is `services.provider`, with the first container's `args` as its options.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping

from .background import Background
from .client import ApiClient, ApiError
from .controllers import reconcile
from .errors import LabError
from .kinds import POD, Object
from .manifests import NAMESPACE, waiting
from .mirror import Mirror
from .pod_settings import PodSettings
from .pods import Kubelet

_FIRST_BACKOFF_S = 1.0
_LAST_BACKOFF_S = 30.0


class NodeAgent:
    """Runs the Pods of namespace `default` that have no address yet; `zones` maps node to zone.

    A Pod that has one when it is first seen is somebody else's, but ends, too, when its object is deleted.
    """

    def __init__(
        self,
        client: ApiClient,
        kubelet: Kubelet,
        background: Background,
        zones: Mapping[str, str],
        addresses: Iterator[str],
    ) -> None:
        self._client = client
        self._kubelet = kubelet
        self._background = background
        self._zones = zones
        self._addresses = addresses
        self._running: dict[str, asyncio.Task[None]] = {}  # by uid
        self._leaving: set[str] = set()
        self._changed = asyncio.Event()
        self._pods = Mirror(client, POD, self._changed.set)

    async def run(self) -> None:
        """Follow the API until cancelled; raises an `ExceptionGroup` of `ApiError` if it refuses."""
        await reconcile((self._pods,), self._changed, self._act)

    async def _act(self) -> None:
        pods = {
            pod["metadata"]["uid"]: pod
            for pod in self._pods.objects.values()
            if pod["metadata"]["namespace"] == NAMESPACE
        }
        for uid, pod in pods.items():
            name, address = pod["metadata"]["name"], (pod.get("status") or {}).get("podIP")
            if "deletionTimestamp" in pod["metadata"]:
                if uid not in self._leaving and (uid in self._running or self._kubelet.serves(name)):
                    self._leaving.add(uid)
                    self._background.start(self._leave(pod), f"end of pod {name}")
            elif uid not in self._running and not address and (pod.get("spec") or {}).get("containers"):
                node = await self._node_of(pod)
                self._running[uid] = self._background.start(self._live(pod, node), f"pod {name}")
        for uid in self._running.keys() - pods.keys():  # deleted with force: nobody waits for what is in flight
            self._running.pop(uid).cancel()
        self._leaving &= pods.keys()

    async def _node_of(self, pod: Object) -> str:
        if node := pod["spec"].get("nodeName"):
            return str(node)
        taken = Counter((other.get("spec") or {}).get("nodeName") for other in self._pods.objects.values())
        node = min(self._zones, key=lambda name: taken[name])
        metadata = pod["metadata"]
        bound = await self._client.patch(POD, metadata["namespace"], metadata["name"], {"spec": {"nodeName": node}})
        self._pods.note(bound)
        return node

    async def _live(self, pod: Object, node: str) -> None:
        """Run the pod's process, again and again if it ends by itself, with more and more time in between."""
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        settings = PodSettings(arguments=tuple(container.get("args") or ()))
        address, zone = next(self._addresses), self._zones.get(node, "")
        backoff_s, restarts = _FIRST_BACKOFF_S, 0
        while True:
            try:
                return await self._kubelet.run(name, address, node, zone, settings)
            except LabError as error:
                report = waiting(container.get("name", name), restarts, "CrashLoopBackOff", str(error))
            except ApiError as error:
                if error.code != 404:
                    raise
                return None  # deleted meanwhile
            with contextlib.suppress(ApiError):
                await self._client.patch(POD, NAMESPACE, name, report)
            await asyncio.sleep(backoff_s)
            backoff_s, restarts = min(2 * backoff_s, _LAST_BACKOFF_S), restarts + 1

    async def _leave(self, pod: Object) -> None:
        metadata = pod["metadata"]
        await self._kubelet.quit(metadata["name"], metadata.get("deletionGracePeriodSeconds", 0))
        if task := self._running.pop(metadata["uid"], None):
            task.cancel()
            await asyncio.wait({task})
        with contextlib.suppress(ApiError):
            await self._client.delete(POD, metadata["namespace"], metadata["name"])
