"""The courses of events that clients are put through: one file each, named as the scenario is, holding a `SCENARIO`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from benchmarks.lab.cluster import Cluster, Pod
    from benchmarks.result import Event


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario plays on.

    pods        in the Service from the start
    spare       running and healthy, outside of the Service
    start       reading of time.monotonic() at which the first measured request is due
    duration_s  how long requests are sent from then on
    """

    cluster: Cluster
    pods: Sequence[Pod]
    spare: Sequence[Pod]
    start: float
    duration_s: float


class Scenario(Protocol):
    """A course of events. It need not restore the Service: who runs it takes the spare pods out again."""

    title: str
    """The heading of its table: what happens."""

    spare_pods: int
    """How many pods it needs besides those of the Service."""

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        """Let the events happen, at their time after `stage.start`; returns them when the last has happened."""


def names() -> tuple[str, ...]:
    """Every scenario there is, those without events first, found without importing any."""
    found = [module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted(found, key=lambda name: (name != "steady", name)))


def find(name: str) -> Scenario:
    """The scenario of that name."""
    scenario: Scenario = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").SCENARIO
    return scenario
