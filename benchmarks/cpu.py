"""Processor time of pods, where the system tells (`/proc`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.lab.cluster import Pod

_USER, _SYSTEM = 11, 12
"""Of the fields after the process's name in `/proc/PID/stat`, which may itself hold blanks."""


def seconds(pods: Iterable[Pod]) -> dict[str, float]:
    """Of each pod that runs, by its name, since it was started."""
    found = {}
    for pod in pods:
        try:
            fields = Path(f"/proc/{pod.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue
        found[pod.name] = (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")
    return found


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> float | None:
    """By all of them between two readings; None where nobody can tell, or one has ended meanwhile."""
    return sum(after.values()) - sum(before.values()) if before and before.keys() == after.keys() else None
