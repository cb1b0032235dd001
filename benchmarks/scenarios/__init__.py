"""The courses of events that clients are put through: one file each, named as the scenario is, holding a `SCENARIO`."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.lab.pod_settings import PodSettings
from benchmarks.result import Event, Expectation, Run

if TYPE_CHECKING:
    from benchmarks.lab.cluster import Cluster, Pod

CAPACITY = PodSettings(latency_ms=4.0, concurrency=2, lame_duck_s=0.0)
"""Some 400 calls a second: without a capacity a single busy connection is faster than three, and the pinned client
would look best. Pods leave when no client is left, so there is nothing for a lame duck to wait for."""

TIMEOUT_S = 60.0
"""Longer than the backlog of an overloaded pod needs: what waits is to show as latency, not as an error."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario plays on.

    service     its name
    pods        in the Service from the start
    spare       running and healthy, outside of the Service
    start       reading of time.monotonic() at which the first measured request is due
    duration_s  how long requests are sent from then on
    new         pods that the scenario has started; whoever runs it ends them
    """

    cluster: Cluster
    service: str
    pods: Sequence[Pod]
    spare: Sequence[Pod]
    start: float
    duration_s: float
    new: list[Pod] = field(default_factory=list)

    async def until(self, share: float) -> None:
        """Wait until so much of the duration is over."""
        await asyncio.sleep(self.start + share * self.duration_s - time.monotonic())

    def event(self, what: str, *pods: Pod, at: float | None = None) -> Event:
        """It happened now, or at this reading of time.monotonic()."""
        return Event((time.monotonic() if at is None else at) - self.start, what, tuple(pod.name for pod in pods))

    async def busiest(self) -> Pod:
        """The pod with the most connections so far: what happens to it is felt by a client that is pinned, too."""
        accepted = await self.cluster.connections()
        return max(self.pods, key=lambda pod: accepted.get(pod.name, 0))


class Scenario(ABC):
    """A course of events. It need not restore the Service: whoever runs it takes the spare pods out again.

    title          the heading of its table: what happens
    teaches        in a sentence, what is to be learned from it
    spare_pods     how many it needs besides those of the Service
    spoils         its pods are of no use to another arm afterwards
    settings       how its pods answer
    timeout_s      how long the callers wait for an answer
    rate_rps       where it needs another rate than the usual one; `least_s` likewise, a longer run
    needs_network  there is no such thing where all pods share one address
    """

    title: str
    teaches: str
    spare_pods = 0
    spoils = True
    settings = CAPACITY
    timeout_s = TIMEOUT_S
    rate_rps: float | None = None
    least_s = 0.0
    needs_network = False

    @abstractmethod
    async def play(self, stage: Stage) -> tuple[Event, ...]:
        """Let the events happen, at their time after `stage.start`; returns them when the last has happened."""

    @abstractmethod
    def expectations(self, run: Run) -> Iterable[Expectation]:
        """What must hold of a run that gave numbers, by the kind of its strategy."""


def names() -> tuple[str, ...]:
    """Every scenario there is, those without events first, found without importing any."""
    found = [module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"]
    return tuple(sorted(found, key=lambda name: (name != "steady", name)))


def find(name: str) -> Scenario:
    """The scenario of that name."""
    scenario: Scenario = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").SCENARIO
    return scenario
