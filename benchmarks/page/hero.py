"""Which scenario and which arms make the picture at the top, and on a slide."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.page.arms import Arm, arms, kinds, scenario_names
from benchmarks.result import Result

BEST = ("scale-up", "rolling-restart", "pod-kill")
"""Scenarios that tell most at a glance, the best first."""
MOST = 2


def hero(result: Result) -> tuple[str, Sequence[Arm]]:
    """The scenario, and its arms of two kinds of client: of asyncio where there are such, one over each protocol."""
    names = scenario_names(result)
    name = next((name for name in BEST if name in names and _measured(result, name)), names[0])
    given = arms(result, name)
    ranked = sorted(kinds(given), key=lambda kind: kind.client != "asyncio")[:MOST]
    return name, [arm for arm in given if arm.kind in ranked]


def _measured(result: Result, name: str) -> bool:
    return any(arm.measured for arm in arms(result, name))
