"""What a scenario plays on: what can be done to the pods of a Service, in the lab and elsewhere."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.lab.errors import LabError
from benchmarks.lab.pod_settings import PodSettings
from benchmarks.result import JOINED, KILLED, LEFT, Event

if TYPE_CHECKING:
    from benchmarks.lab.cluster import Cluster, Pod


class Stage(ABC):
    """The pods of a Service while a client calls them.

    pods        names of those that are in the Service from the start
    start       reading of time.monotonic() at which the first measured request is due
    duration_s  how long requests are sent from then on
    """

    def __init__(self, pods: Sequence[str], start: float, duration_s: float) -> None:
        self.pods = tuple(pods)
        self.start = start
        self.duration_s = duration_s

    async def until(self, share: float) -> None:
        """Wait until so much of the duration is over."""
        await asyncio.sleep(self.start + share * self.duration_s - time.monotonic())

    def event(self, what: str, *pods: str, at: float | None = None) -> Event:
        """It happened now, or at this reading of time.monotonic()."""
        return Event((time.monotonic() if at is None else at) - self.start, what, pods)

    @property
    def lab(self) -> LabStage:
        """For what no API server can be asked for: signals, lost packets, the API server's own absence."""
        raise LabError("only the lab can do that to its pods")

    @abstractmethod
    async def busiest(self) -> str:
        """The pod with the most connections so far: what happens to it is felt by a client that is pinned, too."""

    @abstractmethod
    async def grow(self) -> Event:
        """Have the spare pods join; the event is the first slice that has one."""

    @abstractmethod
    async def replace_all(self, settings: PodSettings) -> tuple[Event, ...]:
        """Replace each pod by a new one, as a Deployment does it with maxSurge 1 and maxUnavailable 0."""

    @abstractmethod
    async def kill(self, pod: str) -> Event:
        """End a pod without a warning."""


class LabStage(Stage):
    """That of the lab.

    spare  pods that run and are healthy, outside of the Service
    new    gets the pods that are started meanwhile; whoever runs the scenario ends them
    """

    def __init__(
        self,
        cluster: Cluster,
        service: str,
        pods: Sequence[Pod],
        spare: Sequence[Pod],
        new: list[Pod],
        start: float,
        duration_s: float,
    ) -> None:
        super().__init__([pod.name for pod in pods], start, duration_s)
        self.cluster = cluster
        self._service = service
        self._spare = spare
        self._new = new
        self._by_name = {pod.name: pod for pod in (*pods, *spare)}

    @property
    def lab(self) -> LabStage:
        return self

    async def busiest(self) -> str:
        accepted = await self.cluster.connections()
        return max(self.pods, key=lambda pod: accepted.get(pod, 0))

    async def grow(self) -> Event:
        written = await self.cluster.join(self._spare)
        return self.event(JOINED, *(pod.name for pod in self._spare), at=written)

    async def replace_all(self, settings: PodSettings) -> tuple[Event, ...]:
        events, leaving = list[Event](), list[asyncio.Task[None]]()
        for old in self.pods:
            new = await self.cluster.start_pods(self._service, 1, settings)
            self._new.extend(new)
            events.append(self.event(JOINED, *(pod.name for pod in new)))
            # It does not count any more, so that the next new one is started while it leaves.
            leaving.append(asyncio.ensure_future(self.cluster.stop_pods([self._by_name[old]])))
            events.append(self.event(LEFT, old))
        await asyncio.gather(*leaving)
        return tuple(events)

    async def kill(self, pod: str) -> Event:
        event = self.event(KILLED, pod)
        await self.cluster.kill_pods([self._by_name[pod]])
        return event

    async def freeze(self, pod: str) -> Event:
        """Halt it, by SIGSTOP."""
        await self.cluster.freeze_pods([self._by_name[pod]])
        return self.event("frozen", pod)

    async def trouble(self, pod: str, what: str) -> Event:
        """Have it do from now on what its option `--trouble` says."""
        await self.cluster.trouble_pods([self._by_name[pod]])
        return self.event(what, pod)

    async def cut_off(self, pod: str) -> Event:
        """Lose its packets, until `reconnect`."""
        await self.cluster.cut_off_pods([self._by_name[pod]])
        return self.event("cut off", pod)

    async def reconnect(self, pod: str) -> None:
        await self.cluster.reconnect_pods([self._by_name[pod]])
