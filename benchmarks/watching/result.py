"""What `--json` writes. Fields are added, never changed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from benchmarks.watching.client import Way
from benchmarks.watching.course import Change

SCHEMA = 1
PACKAGES = ("discovery-lb", "httpx", "kubernetes")

Pace = Literal["single", "burst"]
"""Each event after the set of the one before has been published, or all at once."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor time of a client for each event on the wire.

    us_per_event  the median of `rounds_us`
    events        in each round
    sets          how many sets a round published of them, on the median: fewer where a client takes the newest alone
    """

    way: Way
    endpoints: int
    pace: Pace
    events: int
    us_per_event: float
    rounds_us: tuple[float, ...]
    sets: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one Service, after its list and an event: growth of RSS, and in another run what tracemalloc counts."""

    way: Way
    endpoints: int
    slices: int
    rss_bytes: int
    traced_bytes: int


@dataclass(frozen=True, slots=True)
class Latency:
    """From just before the server's write to the listeners of our balancer.

    waited_ms  for how long, for each event, the client was ready to run while others had the processors, on average
    """

    change: Change
    endpoints: int
    events: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    waited_ms: float


@dataclass(frozen=True, slots=True)
class Idle:
    """What many watches add to a process, and what they use while nothing comes but bookmarks."""

    way: Way
    watches: int
    threads: int
    descriptors: int
    rss_bytes: int
    cpu_ms_per_s: float


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that was set beforehand."""

    name: str
    bound: float
    measured: float
    met: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """Where it ran: results from different ones must not be compared."""

    python: str
    packages: dict[str, str]
    cpus: int
    kernel: str


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one command measured. `started` is ISO 8601 in UTC, `command` what was typed."""

    schema: int
    environment: Environment
    started: str
    command: str
    cpu: tuple[Cpu, ...]
    latency: tuple[Latency, ...]
    memory: tuple[Memory, ...]
    idle: tuple[Idle, ...]
    targets: tuple[Target, ...]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def environment() -> Environment:
    """This machine, now."""
    return Environment(
        python=platform.python_version(),
        packages={name: metadata.version(name) for name in PACKAGES},
        cpus=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
    )


LESS_CPU = 8.0
"""How many times the CPU of our resolver the official client is to take at least."""
P99_MS = 5.0


def targets(cpu: Sequence[Cpu], latency: Sequence[Latency]) -> tuple[Target, ...]:
    """What was to be reached, and whether it was."""
    by_way = {(each.way, each.endpoints, each.pace): each.us_per_event for each in cpu}
    found = []
    for (way, endpoints, pace), us in by_way.items():
        if way == "resolver":
            ratio = by_way["official", endpoints, pace] / us
            name = f"CPU at {endpoints:,} endpoints, {pace} events: official / ours at least {LESS_CPU:g}"
            found.append(Target(name, LESS_CPU, ratio, ratio >= LESS_CPU))
    for each in latency:
        name = f"p99 at {each.endpoints:,} endpoints, {each.change}: under {P99_MS:g} ms"
        found.append(Target(name, P99_MS, each.p99_ms, each.p99_ms < P99_MS))
    return tuple(found)
