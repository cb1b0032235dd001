"""`registry`: what one had before Kubernetes. Pods register themselves in an etcd; the client lists and watches that.

The etcd runs beside the client. A pod learns from its own object that it is a member, by the label that puts it in the
Service's slices too, and then registers itself, with a lease that it keeps: what is told here is when, not the entry.
A pod that is no member stands by below another prefix, as it would be in the registry of another environment.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import httpx

from benchmarks.arm import Wire
from benchmarks.lab import etcd
from benchmarks.lab.background import Background
from benchmarks.lab.cluster import Cluster
from benchmarks.lab.kinds import POD, Object
from benchmarks.lab.mirror import Mirror
from benchmarks.strategies import Beside, Place
from benchmarks.strategies._through_discovery import ThroughDiscovery

MEMBERS = "echo"
STANDBY = "standby"
_TELL_S = 10.0


class Registry(ThroughDiscovery):
    follows_s = 1.0
    pod_arguments = ("--movable",)

    def missing(self) -> str | None:
        return etcd.missing()

    def address(self, wire: Wire, place: Place) -> str:  # noqa: ARG002 - the registry knows
        return f"/{MEMBERS}/{wire}"

    def address_in_cluster(self, wire: Wire, place: Place) -> None:
        """There is no etcd."""

    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        with tempfile.TemporaryDirectory(prefix="etcd-") as folder:
            async with (
                etcd.Etcd(Path(folder)) as server,
                httpx.AsyncClient(trust_env=False, verify=False, timeout=_TELL_S) as http,
            ):
                members = _Members(stage.cluster, http, f"etcd://{server.address}")
                try:
                    async with Background() as background:
                        background.start(members.follow(), "mirror of Pods")
                        background.start(members.tell(background), "members of the registry")
                        await background.wait(members.until({pod.name for pod in stage.pods}))
                        yield f"etcd://{server.address}{stage.address}"
                finally:
                    await members.dismiss()


class _Members:
    """Tells each ready pod where it is to be registered."""

    def __init__(self, cluster: Cluster, http: httpx.AsyncClient, registry: str) -> None:
        self._http = http
        self._registry = registry
        self._told: dict[str, str] = {}
        self._telling: set[str] = set()
        self._changed = asyncio.Condition()
        self._wake = asyncio.Event()
        self._pods = Mirror(cluster.api, POD, self._wake.set, namespace=cluster.namespace)

    async def follow(self) -> NoReturn:
        await self._pods.run()

    async def tell(self, background: Background) -> NoReturn:
        """Each by itself: one that is slow holds up no other."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            serving = {pod["metadata"]["name"]: pod for pod in self._pods.objects.values() if _serves(pod)}
            self._told = {name: where for name, where in self._told.items() if name in serving}
            for name, pod in serving.items():
                if self._told.get(name) != _place(pod) and name not in self._telling:
                    self._telling.add(name)
                    background.start(self._move(name, pod), f"registration of {name}")
            async with self._changed:
                self._changed.notify_all()

    async def until(self, names: set[str]) -> None:
        """Wait until these are members."""
        async with self._changed:
            await self._changed.wait_for(lambda: all(self._told.get(name) == MEMBERS for name in names))

    async def dismiss(self) -> None:
        """The registry ends: have nobody look for it."""
        serving = [pod for pod in self._pods.objects.values() if _serves(pod)]
        await asyncio.gather(*(self._put(pod, "") for pod in serving))

    async def _move(self, name: str, pod: Object) -> None:
        try:
            # One that is frozen or gone is told by its lease; its next change is another occasion.
            if await self._put(pod, f"{self._registry}/{_place(pod)}"):
                self._told[name] = _place(pod)
                self._wake.set()
        finally:
            self._telling.discard(name)

    async def _put(self, pod: Object, target: str) -> bool:
        ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
        url = f"http://{pod['status']['podIP']}:{ports['http']}/registration"
        try:
            return (await self._http.put(url, content=target)).is_success
        except httpx.TransportError:
            return False


def _place(pod: Object) -> str:
    return MEMBERS if (pod["metadata"].get("labels") or {}).get("app") == "echo" else STANDBY


def _serves(pod: Object) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions") or ()}
    names = {port.get("name") for container in pod["spec"]["containers"] for port in container.get("ports") or ()}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"] and "http" in names


STRATEGY = Registry()
