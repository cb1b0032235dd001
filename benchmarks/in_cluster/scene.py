"""The command's namespace as the API server tells of it, kept in step: its pods, and who is in the Service when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple

from benchmarks.in_cluster.objects import SERVICE
from benchmarks.in_cluster.trouble import fatal, unschedulable
from benchmarks.lab.client import ApiClient
from benchmarks.lab.errors import LabError
from benchmarks.lab.kinds import DEPLOYMENT, ENDPOINT_SLICE, POD, Kind, Object, labels_of
from benchmarks.lab.mirror import Mirror
from benchmarks.lab.slices import SERVICE_NAME_LABEL


class Member(NamedTuple):
    """A ready endpoint of the Service, as `strategies.Server`."""

    name: str
    address: str
    http_port: int
    grpc_port: int


class Scene:
    """Follows pods, Deployments and slices while `run` does.

    joined, left  when, as a reading of time.monotonic(), the first slice told that a pod is ready, and is so no more
    pending_s     how long a pod may lack a node
    """

    def __init__(self, api: ApiClient, namespace: str, pending_s: float) -> None:
        self.api = api
        self.namespace = namespace
        self.joined: dict[str, float] = {}
        self.left: dict[str, float] = {}
        self._pending_s = pending_s
        self._pending: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._pods, self._deployments = self._mirror(POD, self._notify), self._mirror(DEPLOYMENT, self._notify)
        self._slices = self._mirror(ENDPOINT_SLICE, self._note)

    def _mirror(self, kind: Kind, on_change: Callable[[], None]) -> Mirror:
        return Mirror(self.api, kind, on_change, namespace=self.namespace)

    def works(self) -> Iterator[tuple[Coroutine[Any, Any, None], str]]:
        """What has to run, and what to call it."""
        for mirror in (self._pods, self._deployments, self._slices):
            yield mirror.run(), f"mirror of {mirror.kind.plural}"

    @property
    def pods(self) -> dict[str, Object]:
        """By name."""
        return {name: pod for (_, name), pod in self._pods.objects.items()}

    def deployment(self, name: str) -> Object | None:
        return self._deployments.objects.get((self.namespace, name))

    def members(self) -> dict[str, Member]:
        """The Service's ready pods, by name."""
        found = {}
        for piece in self._slices.objects.values():
            if labels_of(piece).get(SERVICE_NAME_LABEL) != SERVICE:
                continue
            ports = {port["name"]: port["port"] for port in piece.get("ports") or ()}
            for endpoint in piece.get("endpoints") or ():
                # Absent is ready, as the API has it.
                if (endpoint.get("conditions") or {}).get("ready", True) is not False:
                    name = endpoint["targetRef"]["name"]
                    found[name] = Member(name, endpoint["addresses"][0], ports.get("http", 0), ports.get("grpc", 0))
        return found

    async def until(self, holds: Callable[[], bool], what: str, timeout_s: float) -> None:
        """Wait until it holds. Raises LabError at once where a pod cannot come to run, and when the time is over."""
        clock = asyncio.get_running_loop().time
        end = clock() + timeout_s
        while not holds():
            changed = self._changed
            if trouble := self._trouble(clock()):
                raise LabError(trouble)
            left_s = end - clock()
            if left_s <= 0:
                raise LabError(f"{what} within {timeout_s:.0f} s{self._states()}")
            if self._pending:
                left_s = min(left_s, min(self._pending.values()) + self._pending_s - clock())
            try:
                async with asyncio.timeout(max(0.0, left_s)):
                    await changed.wait()
            except TimeoutError:
                continue

    def _trouble(self, now: float) -> str | None:
        for pod in self._pods.objects.values():
            if found := fatal(pod):
                return found
        homeless = {name: found for name, pod in self.pods.items() if (found := unschedulable(pod))}
        self._pending = {name: self._pending.get(name, now) for name in homeless}
        for name, since in self._pending.items():
            if now - since >= self._pending_s:
                return homeless[name]
        return None

    def _states(self) -> str:
        phases = [f"{name} is {(pod.get('status') or {}).get('phase', 'Unknown')}" for name, pod in self.pods.items()]
        return f": {', '.join(phases)}" if phases else ""

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _note(self) -> None:
        now, ready = time.monotonic(), self.members()
        for name in ready:
            self.joined.setdefault(name, now)
            self.left.pop(name, None)
        for name in self.joined.keys() - ready.keys():
            self.left.setdefault(name, now)
        self._notify()
