"""Pods and their kubelet: provider processes, an address each, and the Pod objects that tell of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from . import manifests
from .background import Background, together
from .client import ApiClient
from .errors import LabError
from .kinds import POD
from .manifests import NAMESPACE
from .pod_settings import PodSettings
from .surroundings import Surroundings

_START_S: Final = 30.0
_FIRST_PROBES_S: Final = 0.05
_PROBE_PERIOD_S: Final = 0.2
_PROBE_TIMEOUT_S: Final = 1.0
_FAILURE_THRESHOLD: Final = 3  # Kubernetes' default: one slow answer does not make a pod unready
_GRACE_S: Final = 30
_LOG_LINES: Final = 5
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
    """Starts, probes and stops pods, and tells the API what it sees; leaving the block kills those that are left."""

    def __init__(self, client: ApiClient, background: Background, logs: Path, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._client = client
        self._background = background
        self._logs = logs
        self._containers: dict[str, _Container] = {}

    async def __aenter__(self) -> Self:
        # The probes come from the node, so that they are not counted as clients' connections.
        transport = httpx.AsyncHTTPTransport(local_address=self._surroundings.probes_from, verify=False)
        self._http = httpx.AsyncClient(transport=transport, timeout=_PROBE_TIMEOUT_S)
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for container in self._containers.values():
            container.end(signal.SIGKILL)
        await together(container.ended() for container in self._containers.values())
        await self._http.aclose()

    async def start(self, name: str, address: str, node: str, zone: str, settings: PodSettings) -> Pod:
        """Start a pod, wait until it is healthy; raises LabError with the end of its log if it does not get so."""
        container = await _Container.start(
            name, address, node, zone, settings, self._logs / f"{name}.log", self._surroundings
        )
        self._containers[name] = container
        await self._client.create(POD, NAMESPACE, manifests.pod(name, node, address))
        try:
            async with asyncio.timeout(_START_S):
                await self._until_healthy(container)
        except BaseException as error:
            await self._end(container.pod, signal.SIGKILL)
            if isinstance(error, TimeoutError):
                words = container.last_words()
                raise LabError(f"pod {name} was not healthy within {_START_S:.0f} s: {words}") from None
            raise
        await self._report(container.pod, ready=True)
        container.probes = self._background.start(self._probe(container), f"probes of {name}")
        return container.pod

    async def run(self, name: str, address: str, node: str, zone: str, settings: PodSettings) -> None:
        """Run a pod whose object the API has already, until its process ends; raises LabError if it does by itself."""
        log = self._logs / f"{name}.log"
        container = await _Container.start(name, address, node, zone, settings, log, self._surroundings)
        self._containers[name] = container
        try:
            await self._client.patch(POD, NAMESPACE, name, manifests.running(address))
            await self._until_healthy(container)
            await self._report(container.pod, ready=True)
            container.probes = asyncio.create_task(self._probe(container), name=f"probes of {name}")
            await asyncio.wait({container.probes})
            container.probes.result()
        finally:
            container.end(signal.SIGKILL)
            await container.ended()
            del self._containers[name]

    def serves(self, name: str) -> bool:
        """Whether there is such a pod, and nobody has asked it to end."""
        return name in self._containers and not self._containers[name].ending

    def has(self, pod: Pod) -> bool:
        """Whether it has not ended yet."""
        return pod.name in self._containers

    async def quit(self, name: str, grace_s: float) -> None:
        """Have a pod's process end, with time for what is in flight, and by SIGKILL after it; its object stays."""
        if container := self._containers.get(name):
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
            if (container := self._containers.get(pod.name)) is None:
                raise LabError(f"pod {pod.name} is gone: a signal needs a pod that runs")
            container.send(number)

    async def _until_healthy(self, container: _Container) -> None:
        if not container.pod.http_port:
            await self._learn_ports(container)
        while not await self._healthy(container.pod):
            if not await container.alive_for(_FIRST_PROBES_S):
                return

    async def _stop(self, pod: Pod) -> None:
        self._containers[pod.name].ending = True
        await self._client.delete(POD, NAMESPACE, pod.name, grace_s=_GRACE_S)
        await self._end(pod, signal.SIGTERM)

    async def _end(self, pod: Pod, number: signal.Signals) -> None:
        container = self._containers[pod.name]
        container.end(number)
        try:
            async with asyncio.timeout(_GRACE_S):
                await container.ended()
        except TimeoutError:  # it is frozen, or deaf
            container.end(signal.SIGKILL)
            await container.ended()
        await self._client.delete(POD, NAMESPACE, pod.name)
        del self._containers[pod.name]

    async def _probe(self, container: _Container) -> None:
        """Keep the Pod's Ready condition true to life until the process ends."""
        ready, failures = True, 0
        while await container.alive_for(_PROBE_PERIOD_S):
            failures = 0 if await self._healthy(container.pod) else failures + 1
            now_ready = failures < _FAILURE_THRESHOLD if ready else failures == 0
            if now_ready != ready:
                with contextlib.suppress(httpx.TransportError):  # told with the next probe, when the API is back
                    await self._report(container.pod, ready=now_ready)
                    ready = now_ready

    async def _learn_ports(self, container: _Container) -> None:
        """Where a pod takes free ports, wait until it says which, and have the Pod object say the same."""
        while (ports := container.ports()) is None:
            if not await container.alive_for(_FIRST_PROBES_S):
                return
        http, grpc = ports
        container.pod = replace(container.pod, http_port=http, grpc_port=grpc)
        name = container.pod.name
        told = await self._client.get(POD, NAMESPACE, name)
        await self._client.patch(POD, NAMESPACE, name, manifests.pod_ports(told, http, grpc))

    async def _healthy(self, pod: Pod) -> bool:
        try:
            response = await self._http.get(f"http://{pod.address}:{pod.http_port}/healthz")
        except httpx.TransportError:
            return False
        return response.is_success

    async def _report(self, pod: Pod, *, ready: bool) -> None:
        await self._client.patch(
            POD, NAMESPACE, pod.name, {"status": {"conditions": manifests.conditions(ready=ready)}}
        )


class _Container:
    """The process of a pod."""

    def __init__(self, pod: Pod, process: Process, log: Path) -> None:
        self.pod = pod
        self.probes: asyncio.Task[None] | None = None
        self._process = process
        self._log = log
        self._exit = asyncio.create_task(process.wait(), name=f"exit of {pod.name}")
        self.ending = False

    @classmethod
    async def start(
        cls,
        name: str,
        address: str,
        node: str,
        zone: str,
        settings: PodSettings,
        log: Path,
        surroundings: Surroundings,
    ) -> Self:
        http_port, grpc_port = surroundings.http_port, surroundings.grpc_port
        command = [sys.executable, "-m", "services.provider"]
        command += ["--latency-ms", str(settings.latency_ms), "--concurrency", str(settings.concurrency)]
        command += ["--lame-duck-s", str(settings.lame_duck_s), "--grace-s", str(_GRACE_S), *settings.arguments]
        command += ["--host", address, "--http-port", str(http_port), "--grpc-port", str(grpc_port)]
        identity = {"POD_NAME": name, "POD_NAMESPACE": NAMESPACE, "NODE_NAME": node, "ZONE": zone}
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                env={**os.environ, **identity},
                # A signal to the command's process group is not meant for the pods; but without namespaces the
                # group is what ends them for certain.
                start_new_session=surroundings.dataplane == "nftables",
            )
        return cls(Pod(name, address, node, zone, process.pid, http_port, grpc_port), process, log)

    def ports(self) -> tuple[int, int] | None:
        """Those of HTTP and gRPC that the pod has said it serves on, or None if it has not yet."""
        said = _SERVING.search(self._log.read_text(errors="replace"))
        return (int(said[1]), int(said[2])) if said else None

    async def alive_for(self, seconds: float) -> bool:
        """True after the time; false as soon as the process ends; LabError if nobody has asked it to end."""
        await asyncio.wait({self._exit}, timeout=seconds)
        if not self._exit.done():
            return True
        if not self.ending:
            status = self._exit.result()
            raise LabError(f"pod {self.pod.name} ended by itself with status {status}: {self.last_words()}")
        return False

    def end(self, number: signal.Signals) -> None:
        self.ending = True
        self.send(number)

    def send(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not send_signal(): it may reap the process, and asyncio, which waits for it, complains.
                os.kill(self._process.pid, number)

    async def ended(self) -> None:
        """Wait until the process is gone, and nothing about it is written any more."""
        # wait() and not await: who gives up waiting must not cancel these tasks.
        await asyncio.wait({self._exit})
        if self.probes is not None:
            await asyncio.wait({self.probes})

    def last_words(self) -> str:
        with self._log.open(errors="replace") as lines:
            return " | ".join(line.strip() for line in deque(lines, _LOG_LINES)) or "it printed nothing"
