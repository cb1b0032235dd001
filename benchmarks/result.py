"""The result file: what `result.json` holds, for the table and for later readers. Fields are added, never changed."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.arm import Client, Key, Mode, Wire
from benchmarks.lab.surroundings import DataPlaneName

SCHEMA = 1
PACKAGES = ("discovery-lb", "httpx", "grpcio", "kubernetes")


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the time at which a request was due to its answer, over the requests that were answered."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


JOINED, LEFT, KILLED = "joined", "left", "killed"
GONE = (LEFT, KILLED)
"""Events after which their pods answer no more; `LEFT` is when they were told to leave."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to these pods, in seconds from the start of the measured requests."""

    at_s: float
    what: str
    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reaction:
    """How the client followed the event; None is: it never did, or there was nothing of the kind to follow."""

    first_request_ms: float | None
    fair_share_ms: float | None
    last_request_to_removed_ms: float | None
    errors_to_removed: int | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Requests by the time at which they were sent, a count per pod and interval; `errors` are those that failed."""

    interval_s: float
    by_backend: dict[str, list[int]]
    errors: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a scenario promises of a strategy, and whether it was so: "no request fails: 0, at most 0"."""

    text: str
    held: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One arm, run once.

    `skipped` runs have a `reason` and no numbers; if not `applicable`, there is no such arm where this ran, and that is
    no failure. Requests are the measured ones; connections and DNS queries count from the start of the client, and
    are None where there is nobody to count them. `same_pod_again` is the share of answers that came from the pod
    that gave the one before, in the order of sending: 0 where a Service rotates, one in so many pods by chance. The
    balance is that of the whole run, or where the pods changed, of what came after the client's fair share, or
    after the event if it never had one. `late_sends` are requests that left over 10 ms late though the client had a
    slot for them; `client_busy` is the share of a processor that the client used, of several that of the busiest.
    """

    strategy: str
    protocol: Wire
    client: Client
    connections_mode: Mode
    policy: str | None
    variant: str | None
    scenario: str
    repeat: int
    status: Literal["ok", "skipped"]
    reason: str | None
    applicable: bool
    replicas: int
    warmup_s: float
    duration_s: float
    offered_rps: float
    achieved_rps: float | None = None
    dropped: int | None = None
    requests: int | None = None
    errors: int | None = None
    errors_by_kind: dict[str, int] | None = None
    by_backend: dict[str, int] | None = None
    connections_opened: int | None = None
    dns_queries: int | None = None
    max_over_mean: float | None = None
    cv: float | None = None
    jain: float | None = None
    idle_backends: int | None = None
    noise_floor_cv: float | None = None
    latency_ms: Latency | None = None
    latency_histogram: str | None = None
    client_cpu_us_per_request: float | None = None
    events: tuple[Event, ...] = ()
    reaction: Reaction | None = None
    timeline: Timeline | None = None
    arrivals: Literal["constant", "poisson"] = "constant"
    client_processes: int = 1
    server_cpu_us_per_request: float | None = None
    same_pod_again: float | None = None
    expectations: tuple[Expectation, ...] = ()
    late_sends: int | None = None
    client_busy: float | None = None

    @property
    def key(self) -> Key:
        return Key(self.scenario, self.strategy, self.variant, self.protocol, self.client, self.connections_mode)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where it ran: results from different ones must not be compared."""

    python: str
    packages: dict[str, str]
    cpus: int
    kernel: str
    dataplane: Literal["nftables", "userspace", "cluster"]
    api_server: str

    def difference(self, other: Environment) -> str | None:
        """What differs, as "cpus 2 and 4"; None if nothing does."""
        mine, its = _flat(self), _flat(other)
        differing = [name for name in mine | its if mine.get(name) != its.get(name)]
        return ", ".join(f"{name} {mine.get(name)} and {its.get(name)}" for name in differing) or None


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one command measured. `started` is ISO 8601 in UTC, `command` what was typed."""

    schema: int
    environment: Environment
    started: str
    command: str
    runs: tuple[Run, ...]

    @classmethod
    def read(cls, path: Path) -> Result:
        """A file that `write` wrote. Raises OSError, or ValueError naming the file and what is wrong in it."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: no result of benchmarks.compare: {error}") from None

    def write(self, folder: Path) -> Path:
        """Write `result.json` into the folder, which is made where it is missing; returns its path.

        Whoever reads it meanwhile, or finds it after a crash, has the whole of it as it is now or was before.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "result.json"
        new = folder / "result.json.new"
        new.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        new.replace(path)
        return path


def environment(dataplane: DataPlaneName | Literal["cluster"], api_server: str = "lab") -> Environment:
    """This machine and the lab's stand-ins; of an API server that is not the lab's own, its version."""
    return Environment(
        python=platform.python_version(),
        packages={name: metadata.version(name) for name in PACKAGES},
        cpus=_cpus(),
        kernel=platform.release(),
        dataplane=dataplane,
        api_server=api_server,
    )


def _flat(environment: Environment) -> dict[str, object]:
    whole = asdict(environment)
    return {**{name: value for name, value in whole.items() if name != "packages"}, **environment.packages}


def _cpus() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
