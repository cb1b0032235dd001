"""The life of one pod on its node, from its image to its end, told in its status as a kubelet does.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import httpx

from .client import ApiClient, ApiError
from .containers import Container
from .credentials import Credentials
from .images import pull_failure
from .kinds import POD, Object, key_of
from .mirror import RETRY_S, passing
from .pod_program import PROVIDER, NotRunnable, Program, program_of
from .pod_settings import PodSettings
from .pod_status import State, container_status, pod_status, running, terminated, waiting
from .pods import FIRST_PROBES_S, PROBE_PERIOD_S, Kubelet, told_ports
from .probes import Probe, Readiness, readiness_probe

_FIRST_BACKOFF_S: Final = 1.0  # a real kubelet begins with 10
_LAST_BACKOFF_S: Final = 30.0

T = TypeVar("T")


class PodLife:
    """What happens to the first container of a Pod that is on a node; `address` is the pod's own."""

    def __init__(
        self, client: ApiClient, kubelet: Kubelet, credentials: Credentials, pod: Object, address: str
    ) -> None:
        self._client = client
        self._kubelet = kubelet
        self._credentials = credentials
        self._pod = pod
        self._address = address
        self._container: Object = pod["spec"]["containers"][0]
        self._status: Mapping[str, Any] = pod.get("status") or {}
        self._restarts = 0
        self._last: State | None = None

    async def run(self) -> None:
        """Run it for as long as there is reason to; what it leaves, its log say, stays until this is cancelled."""
        try:
            await self._run()
            await asyncio.Event().wait()
        except ApiError as error:
            if error.code not in {404, 409}:  # deleted meanwhile, and perhaps another one has its name
                raise
        finally:
            self._credentials.remove(self._pod)
            self._kubelet.forget(key_of(self._pod))

    async def _run(self) -> None:
        if failure := pull_failure(self._container.get("image", "")):
            return await self._tell_of_image(failure)
        try:
            program = program_of(self._pod, self._address)
            outer = await _persistently(lambda: self._credentials.environment_of(self._pod))
            environment = {**outer, **program.environment}
        except NotRunnable as error:
            return await self._tell("Pending", waiting(error.reason, str(error)))
        except ApiError as error:
            if error.code != 404:
                raise
            return await self._tell("Pending", waiting("CreateContainerConfigError", str(error)))
        backoff_s = _FIRST_BACKOFF_S
        while (end := await self._run_once(program, environment)) is not None:
            code, policy = end["terminated"]["exitCode"], self._pod["spec"].get("restartPolicy", "Always")
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                return await self._tell("Failed" if code else "Succeeded", end)
            self._last = end
            message = end["terminated"].get("message", "")
            told = f"back-off {backoff_s:.0f}s restarting: it ended with status {code}: {message}"
            await self._tell("Running", waiting("CrashLoopBackOff", told))
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)
            self._restarts += 1
        return None

    async def _tell_of_image(self, failure: str) -> None:
        image = self._container["image"]
        await self._tell("Pending", waiting("ErrImagePull", failure))
        await asyncio.sleep(_FIRST_BACKOFF_S)
        told = f'Back-off pulling image "{image}": ErrImagePull: {failure}'
        await self._tell("Pending", waiting("ImagePullBackOff", told))

    async def _run_once(self, program: Program, environment: Mapping[str, str]) -> State | None:
        """How the container ended, or None where it was asked to."""
        options = self._options(program)
        async with self._kubelet.running(key_of(self._pod), program.module, options, environment) as container:
            since = datetime.now(UTC)
            await self._follow(program, container, running(since))
            if container.ending:
                return None
            code = container.status if container.status >= 0 else 128 - container.status
            return terminated(code, since, datetime.now(UTC), container.last_words())

    def _options(self, program: Program) -> list[str]:
        http_port, grpc_port = self._kubelet.surroundings.http_port, self._kubelet.surroundings.grpc_port
        if program.by_default:
            return PodSettings(arguments=program.arguments).options(self._address, http_port, grpc_port)
        if self._takes_free_ports(program):
            return [*program.arguments, "--http-port", "0", "--grpc-port", "0"]
        return list(program.arguments)

    def _takes_free_ports(self, program: Program) -> bool:
        return program.module == PROVIDER and not self._kubelet.surroundings.http_port

    async def _follow(self, program: Program, container: Container, state: State) -> None:
        """Keep the status true to life until the container ends."""
        probe = readiness_probe(self._container)
        if probe is None and program.module == PROVIDER:
            probe = Probe("http", "/healthz")
        ready = told = probe is None
        await self._tell("Running", state, ready=ready)
        if probe is None:
            await container.ended()
            return
        port = probe.number(await self._ports(program, container), self._container)
        readiness, pause_s = Readiness(ready=False), FIRST_PROBES_S
        while True:
            ready = readiness.after(answered=await self._kubelet.prober.answers(self._address, port, probe.path))
            if ready != told:
                await self._tell("Running", state, ready=ready)
                told, pause_s = ready, PROBE_PERIOD_S
            if not await container.alive_for(pause_s):
                return

    async def _ports(self, program: Program, container: Container) -> dict[str, int]:
        """The numbers of the container's ports, by name."""
        usual = {"http": self._kubelet.surroundings.http_port, "grpc": self._kubelet.surroundings.grpc_port}
        declared = self._container.get("ports") or ()
        ports = usual | {each["name"]: each["containerPort"] for each in declared if "name" in each}
        if self._takes_free_ports(program):
            if taken := await told_ports(container):
                await _persistently(lambda: self._kubelet.tell_ports(key_of(self._pod), *taken))
                ports |= dict(zip(("http", "grpc"), taken, strict=True))
        elif program.by_default:
            ports |= usual
        return ports

    async def _tell(self, phase: str, state: State, *, ready: bool = False) -> None:
        container = container_status(self._container, state, ready=ready, restarts=self._restarts, last=self._last)
        self._status = pod_status(self._status, phase, self._address, container, datetime.now(UTC))
        await _persistently(lambda: self._client.patch_status(POD, self._pod, self._status))


async def _persistently(ask: Callable[[], Awaitable[T]]) -> T:
    """What the API server answers, as soon as it is there to answer."""
    while True:
        try:
            return await ask()
        except httpx.TransportError:
            await asyncio.sleep(RETRY_S)
        except ApiError as error:
            if not passing(error):
                raise
            await asyncio.sleep(RETRY_S)
