"""Pods and their kubelet: provider processes, an address each, and the Pod objects that tell of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from . import manifests
from .background import Background, together
from .client import ApiClient
from .container_log import ContainerLog, PodLogs
from .containers import Container
from .credentials import without_credentials
from .errors import LabError
from .kinds import POD, Key, Object
from .manifests import NAMESPACE
from .pod_program import PROVIDER
from .pod_settings import GRACE_S, PodSettings
from .probes import Prober, Readiness
from .surroundings import Surroundings

FIRST_PROBES_S: Final = 0.05
PROBE_PERIOD_S: Final = 0.2
_START_S: Final = 30.0
_LEAST_AFTER_HOOK_S: Final = 2.0  # what the real kubelet grants a process whose preStop hook took all the time
_SERVING: Final = re.compile(r"^serving http=\S+:(\d+) grpc=\S+:(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pod:
    """A running pod, and where it serves HTTP and gRPC."""

    name: str
    address: str
    node: str
    zone: str
    pid: int
    http_port: int
    grpc_port: int


class Kubelet:
    """Starts, probes and stops pods, and tells the API what it sees; leaving the block kills those that are left.

    folder: where its pods are at home; logs: where it leaves what their containers write
    namespace: that of the pods that it starts itself
    """

    def __init__(
        self,
        client: ApiClient,
        background: Background,
        folder: Path,
        surroundings: Surroundings,
        logs: PodLogs,
        namespace: str = NAMESPACE,
    ) -> None:
        self.surroundings = surroundings
        self._namespace = namespace
        self._objects: dict[str, Object] = {}  # of those, by name, as they were created
        self._client = client
        self._background = background
        self._folder = folder
        self._logs = logs
        self._containers: dict[Key, Container] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        self.prober = await Prober(self.surroundings.probes_from).__aenter__()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed = True
        for container in self._containers.values():
            container.end(signal.SIGKILL)
        await together(container.ended() for container in self._containers.values())
        await self.prober.__aexit__(error_type, error, traceback)

    async def start(self, name: str, address: str, node: str, zone: str, settings: PodSettings) -> Pod:
        """Start a pod, wait until it is healthy; raises LabError with the end of its log if it does not get so."""
        ports = self.surroundings.http_port, self.surroundings.grpc_port
        identity = {"POD_NAME": name, "POD_NAMESPACE": self._namespace, "NODE_NAME": node, "ZONE": zone}
        environment = {**without_credentials(os.environ, self._folder), **identity}
        container = await self._run((self._namespace, name), PROVIDER, settings.options(address, *ports), environment)
        pod = Pod(name, address, node, zone, container.pid, *ports)
        made = manifests.pod(name, node, address)
        self._objects[name] = await self._client.create(POD, self._namespace, made)
        try:
            async with asyncio.timeout(_START_S):
                pod = await self._until_healthy(pod)
        except BaseException as error:
            await self._end(pod, signal.SIGKILL)
            if isinstance(error, TimeoutError):
                words = container.last_words()
                raise LabError(f"pod {name} was not healthy within {_START_S:.0f} s: {words}") from None
            raise
        await self._report(pod, ready=True)
        container.probes = self._background.start(self._probe(pod), f"probes of {name}")
        return pod

    @asynccontextmanager
    async def running(
        self, key: Key, module: str, options: Sequence[str], environment: Mapping[str, str]
    ) -> AsyncIterator[Container]:
        """The container of a pod whose object the API has already, for as long as the block lasts at most."""
        container = await self._run(key, module, options, environment)
        try:
            yield container
        finally:
            container.end(signal.SIGKILL)
            await container.ended()
            del self._containers[key]

    def forget(self, key: Key) -> None:
        """The object of a pod is gone, and nobody asks for its log any more."""
        self._logs.pop(key, None)

    def serves(self, key: Key) -> bool:
        """Whether there is such a pod, and nobody has asked it to end."""
        return key in self._containers and not self._containers[key].ending

    def has(self, pod: Pod) -> bool:
        """Whether it has not ended yet."""
        return (self._namespace, pod.name) in self._containers

    async def quit(self, key: Key, grace_s: float, hook_s: float = 0.0) -> None:
        """Have a pod's process end, with time for what is in flight, and by SIGKILL after it; its object stays.

        `hook_s` is how long it goes on as if nothing were, which is part of that time.
        """
        if container := self._containers.get(key):
            container.ending = True
            if hook_s:
                await container.alive_for(min(hook_s, grace_s))
                grace_s = max(grace_s - hook_s, _LEAST_AFTER_HOOK_S)
            container.end(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await container.ended()
            container.end(signal.SIGKILL)
            await container.ended()

    async def stop(self, pods: Iterable[Pod]) -> None:
        """End pods as a deletion does: they are marked, get SIGTERM, after the grace period SIGKILL, and are gone."""
        await together(self._stop(pod) for pod in pods)

    async def kill(self, pods: Iterable[Pod]) -> None:
        """End pods without a warning, by SIGKILL."""
        await together(self._end(pod, signal.SIGKILL) for pod in pods)

    def freeze(self, pods: Iterable[Pod]) -> None:
        """Halt pods' processes, by SIGSTOP: connections stay open, and the kernel accepts more; nothing answers."""
        self._signal(pods, signal.SIGSTOP)

    def trouble(self, pods: Iterable[Pod]) -> None:
        """Have pods do from now on what their option `--trouble` says, by SIGUSR1."""
        self._signal(pods, signal.SIGUSR1)

    def thaw(self, pods: Iterable[Pod]) -> None:
        """Let them go on where they were, by SIGCONT."""
        self._signal(pods, signal.SIGCONT)

    def _signal(self, pods: Iterable[Pod], number: signal.Signals) -> None:
        for pod in pods:
            if not self.has(pod):
                raise LabError(f"pod {pod.name} is gone: a signal needs a pod that runs")
            self._container(pod).send(number)

    def _container(self, pod: Pod) -> Container:
        return self._containers[self._namespace, pod.name]

    async def _run(self, key: Key, module: str, options: Sequence[str], environment: Mapping[str, str]) -> Container:
        if self._closed:
            await asyncio.Event().wait()  # whoever asks is about to be cancelled
        log = ContainerLog()
        container = await Container.start(
            key[1],
            [sys.executable, "-m", module, *options],
            environment,
            log,
            # A signal to the command's process group is not meant for the pods; but without namespaces the
            # group is what ends them for certain.
            own_session=self.surroundings.dataplane == "nftables",
        )
        self._containers[key] = container
        self._logs[key] = log
        return container

    async def _until_healthy(self, pod: Pod) -> Pod:
        container = self._container(pod)
        if not pod.http_port and (ports := await told_ports(container)):
            pod = replace(pod, http_port=ports[0], grpc_port=ports[1])
            await self.tell_ports((self._namespace, pod.name), *ports)
        while not await self.prober.answers(pod.address, pod.http_port, "/healthz"):
            if not await self._alive_for(pod, FIRST_PROBES_S):
                break
        return pod

    async def tell_ports(self, key: Key, http: int, grpc: int) -> None:
        """Have the Pod object say which free ports the pod has taken."""
        told = await self._client.get(POD, *key)
        await self._client.patch(POD, *key, manifests.pod_ports(told, http, grpc))

    async def _stop(self, pod: Pod) -> None:
        self._container(pod).ending = True
        await self._client.delete(POD, self._namespace, pod.name, grace_s=GRACE_S)
        await self._end(pod, signal.SIGTERM)

    async def _end(self, pod: Pod, number: signal.Signals) -> None:
        container = self._container(pod)
        container.end(number)
        try:
            async with asyncio.timeout(GRACE_S):
                await container.ended()
        except TimeoutError:  # it is frozen, or deaf
            container.end(signal.SIGKILL)
            await container.ended()
        await self._client.delete(POD, self._namespace, pod.name)
        del self._containers[self._namespace, pod.name], self._objects[pod.name]

    async def _probe(self, pod: Pod) -> None:
        """Keep the Pod's Ready condition true to life until the process ends."""
        told, readiness = True, Readiness(ready=True)
        while await self._alive_for(pod, PROBE_PERIOD_S):
            ready = readiness.after(answered=await self.prober.answers(pod.address, pod.http_port, "/healthz"))
            if ready != told:
                with contextlib.suppress(httpx.TransportError):  # told with the next probe, when the API is back
                    await self._report(pod, ready=ready)
                    told = ready

    async def _alive_for(self, pod: Pod, seconds: float) -> bool:
        """As the container's; raises LabError where nobody has asked it to end."""
        container = self._container(pod)
        alive = await container.alive_for(seconds)
        if not alive and not container.ending:
            raise LabError(f"pod {pod.name} ended by itself with status {container.status}: {container.last_words()}")
        return alive

    async def _report(self, pod: Pod, *, ready: bool) -> None:
        status = manifests.running(pod.address, ready=ready)
        await self._client.patch_status(POD, self._objects[pod.name], status)


async def told_ports(container: Container) -> tuple[int, int] | None:
    """Those of HTTP and gRPC that a provider says it serves on, once it has; None where it ends before."""
    async for _piece in container.log.pieces(follow=True):
        if said := _SERVING.search(container.log.text):
            return int(said[1]), int(said[2])
    return None
