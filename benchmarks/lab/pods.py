"""Pods and their kubelet: provider processes, an address each, and the Pod objects that tell of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from . import manifests
from .background import Background, together
from .client import ApiClient
from .errors import LabError
from .kinds import POD
from .manifests import GRPC_PORT, HTTP_PORT, NAMESPACE
from .network import NODE

_START_S: Final = 30.0
_FIRST_PROBES_S: Final = 0.05
_PROBE_PERIOD_S: Final = 0.2
_PROBE_TIMEOUT_S: Final = 1.0
_FAILURE_THRESHOLD: Final = 3  # Kubernetes' default: one slow answer does not make a pod unready
_GRACE_S: Final = 30
_LOG_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class PodSettings:
    """How a pod answers: time that a call takes, calls at once (0: no bound), time after SIGTERM that it accepts."""

    latency_ms: float = 0.0
    concurrency: int = 0
    lame_duck_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Pod:
    """A running pod; it serves HTTP on HTTP_PORT and gRPC on GRPC_PORT of its address."""

    name: str
    address: str
    node: str
    zone: str
    pid: int


class Kubelet:
    """Starts, probes and stops pods, and tells the API what it sees; leaving the block kills those that are left."""

    def __init__(self, client: ApiClient, background: Background, logs: Path) -> None:
        self._client = client
        self._background = background
        self._logs = logs
        self._containers: dict[str, _Container] = {}

    async def __aenter__(self) -> Self:
        # The probes come from the node, so that they are not counted as clients' connections.
        transport = httpx.AsyncHTTPTransport(local_address=str(NODE.ip), verify=False)
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
        container = await _Container.start(name, address, node, zone, settings, self._logs / f"{name}.log")
        self._containers[name] = container
        await self._client.create(POD, NAMESPACE, manifests.pod(name, node, address))
        try:
            async with asyncio.timeout(_START_S):
                while not await self._healthy(container.pod):
                    await container.alive_for(_FIRST_PROBES_S)
        except BaseException as error:
            await self._end(container.pod, signal.SIGKILL)
            if isinstance(error, TimeoutError):
                words = container.last_words()
                raise LabError(f"pod {name} was not healthy within {_START_S:.0f} s: {words}") from None
            raise
        await self._report(container.pod, ready=True)
        container.probes = self._background.start(self._probe(container), f"probes of {name}")
        return container.pod

    async def stop(self, pods: Iterable[Pod]) -> None:
        """End pods as a deletion does: they are marked, get SIGTERM, and are gone when their process is."""
        await together(self._stop(pod) for pod in pods)

    async def kill(self, pods: Iterable[Pod]) -> None:
        """End pods without a warning, by SIGKILL."""
        await together(self._end(pod, signal.SIGKILL) for pod in pods)

    async def _stop(self, pod: Pod) -> None:
        await self._client.delete(POD, NAMESPACE, pod.name, grace_s=_GRACE_S)
        await self._end(pod, signal.SIGTERM)

    async def _end(self, pod: Pod, number: signal.Signals) -> None:
        container = self._containers[pod.name]
        container.end(number)
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

    async def _healthy(self, pod: Pod) -> bool:
        try:
            response = await self._http.get(f"http://{pod.address}:{HTTP_PORT}/healthz")
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
        self._ending = False

    @classmethod
    async def start(cls, name: str, address: str, node: str, zone: str, settings: PodSettings, log: Path) -> Self:
        command = [sys.executable, "-m", "services.provider", "--host", address]
        command += ["--http-port", str(HTTP_PORT), "--grpc-port", str(GRPC_PORT)]
        command += ["--latency-ms", str(settings.latency_ms), "--concurrency", str(settings.concurrency)]
        command += ["--lame-duck-s", str(settings.lame_duck_s), "--grace-s", str(_GRACE_S)]
        identity = {"POD_NAME": name, "POD_NAMESPACE": NAMESPACE, "NODE_NAME": node, "ZONE": zone}
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                env={**os.environ, **identity},
                start_new_session=True,  # a signal to the command's process group is not meant for the pods
            )
        return cls(Pod(name, address, node, zone, process.pid), process, log)

    async def alive_for(self, seconds: float) -> bool:
        """True after the time; false as soon as the process ends; LabError if nobody has asked it to end."""
        await asyncio.wait({self._exit}, timeout=seconds)
        if not self._exit.done():
            return True
        if not self._ending:
            status = self._exit.result()
            raise LabError(f"pod {self.pod.name} ended by itself with status {status}: {self.last_words()}")
        return False

    def end(self, number: signal.Signals) -> None:
        self._ending = True
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
