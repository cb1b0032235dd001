"""What is simulated: one file each, named as the scenario is, holding a `SCENARIO`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from benchmarks.simulation.findings import Findings

ORDER = ("even", "slow", "failing", "errors", "zones", "subsets", "two-choices", "cold", "recovery", "hot-key")
"""As a reader wants them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How it is to be simulated.

    quick  with fewer and shorter runs
    tell   says what is being simulated now
    """

    seed: int
    quick: bool
    tell: Callable[[str], None]


class Scenario(Protocol):
    title: str
    """A heading: what happens."""

    about: str
    """What the reader must know to understand the table: the model, and why the bounds are what they are."""

    def play(self, setting: Setting) -> Findings: ...


def names() -> tuple[str, ...]:
    """Every scenario there is, found without importing any."""
    found = {module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)}
    return tuple(sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)))


def find(name: str) -> Scenario:
    """The scenario of that name."""
    scenario: Scenario = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").SCENARIO
    return scenario
