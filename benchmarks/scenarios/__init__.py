"""The courses of events that clients are put through: one file each, named as the scenario is, holding a `SCENARIO`."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable

from benchmarks.lab.pod_settings import PodSettings
from benchmarks.result import Event, Expectation, Run
from benchmarks.stage import Stage

CAPACITY = PodSettings(latency_ms=4.0, concurrency=2, lame_duck_s=0.0)
"""Some 400 calls a second: without a capacity a single busy connection is faster than three, and the pinned client
would look best. Pods leave when no client is left, so there is nothing for a lame duck to wait for."""

TIMEOUT_S = 60.0
"""Longer than the backlog of an overloaded pod needs: what waits is to show as latency, not as an error."""


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
    needs_faults   nor where the API server cannot be made to fail
    in_cluster_s   in a real cluster, where pods take their time, it lasts so long at least; None: no API server can be
                   asked for what happens
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
    needs_faults = False
    in_cluster_s: float | None = None

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
