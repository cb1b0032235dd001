"""The client process: it follows, and measures itself."""

from __future__ import annotations

import gc
import os
import threading
import time
import traceback
import tracemalloc
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from kubernetes.client import Configuration

from benchmarks.client import Failed
from benchmarks.watching import bounds, official, ours
from benchmarks.watching.following import Follow, Hold

Way = Literal["resolver", "balancer", "official", "official-raw", "official-iterated"]

WAYS: dict[Way, Follow] = {
    "resolver": ours.follow_resolver,
    "balancer": ours.follow_balancer,
    "official": official.follow,
    "official-raw": official.follow_raw,
    "official-iterated": official.iterate,
}
HOLDS: dict[Way, Hold] = {"balancer": ours.hold, "official": official.hold}


@dataclass(frozen=True, slots=True)
class Follower:
    """Follow the first Service. What it takes counts from the set of version `first` to that of `last`."""

    way: Way
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Followed:
    """How it went.

    waited_s      for a processor, ready to run: what others on the machine cost
    published_at  time.monotonic() when each version was first published
    """

    cpu_s: float
    waited_s: float
    published_at: dict[int, float]
    ready: int | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Follow the first Service up to the set of version `last`, and weigh what is then held."""

    way: Way
    last: int
    traced: bool


@dataclass(frozen=True, slots=True)
class Held:
    """`bytes` is by how much RSS has grown since before the list; or if traced, what tracemalloc counts."""

    bytes: int


@dataclass(frozen=True, slots=True)
class Idler:
    """Follow all Services up to the sets of version `last`, then do nothing for a while."""

    way: Way
    services: tuple[str, ...]
    last: int
    idle_s: float


@dataclass(frozen=True, slots=True)
class Idled:
    """What there was more of than before, and the CPU of the idle time."""

    threads: int
    descriptors: int
    rss_bytes: int
    cpu_s: float


Job = Follower | Holder | Idler
Report = Followed | Held | Idled


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API server is, and whom to trust that it is the one."""

    url: str
    authority: Path

    def configuration(self) -> Configuration:
        made = Configuration()
        made.host = self.url
        made.ssl_ca_cert = str(self.authority)
        made.api_key["authorization"] = "Bearer secret"
        return made


def main(job: Job, api: Api, service: str, published: Connection, limit_s: float, messages: Connection) -> None:
    """Do the job, tell the server of each published set, and send the report; or Failed."""
    bounds.end_after(limit_s)
    _without_proxies()
    try:
        match job:
            case Follower():
                report: Report = _follow(job, api, service, published)
            case Holder():
                report = _hold(job, api, service, published)
            case Idler():
                report = _idle(job, api, published)
    except Exception:  # noqa: BLE001 - whatever it is, the other end must hear of it
        messages.send(Failed(traceback.format_exc().strip()))
    else:
        messages.send(report)


def _without_proxies() -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]


def _follow(job: Follower, api: Api, service: str, server: Connection) -> Followed:
    cpu_s, waited_s = {}, {}
    published_at: dict[int, float] = {}
    newest: int | None = None

    def published(version: int, ready: int | None) -> bool:
        nonlocal newest
        published_at.setdefault(version, time.monotonic())
        if version in {job.first, job.last}:
            cpu_s[version], waited_s[version] = time.process_time(), _waited_s()
            newest = ready
        server.send(version)
        return version >= job.last

    WAYS[job.way](api.configuration(), service, published)
    return Followed(cpu_s[job.last] - cpu_s[job.first], waited_s[job.last] - waited_s[job.first], published_at, newest)


def _hold(job: Holder, api: Api, service: str, server: Connection) -> Held:
    configuration = api.configuration()
    gc.collect()
    if job.traced:
        tracemalloc.start()
    before, after = _rss_bytes(), 0

    def published(version: int, _ready: int | None) -> bool:
        nonlocal after
        if version >= job.last:
            gc.collect()
            after = tracemalloc.get_traced_memory()[0] if job.traced else _rss_bytes()
        server.send(version)
        return version >= job.last

    WAYS[job.way](configuration, service, published)
    return Held(after if job.traced else after - before)


def _idle(job: Idler, api: Api, server: Connection) -> Idled:
    configuration = api.configuration()
    connected, all_connected = 0, threading.Event()
    lock = threading.Lock()

    def published(version: int, _ready: int | None) -> bool:
        nonlocal connected
        with lock:
            server.send(version)
            connected += version == job.last
            if connected == len(job.services):
                all_connected.set()
        return False

    gc.collect()
    threads, descriptors, rss = _threads(), _descriptors(), _rss_bytes()
    with HOLDS[job.way](configuration, job.services, published):
        all_connected.wait()
        gc.collect()
        cpu_s = time.process_time()
        time.sleep(job.idle_s)
        return Idled(
            threads=_threads() - threads,
            descriptors=_descriptors() - descriptors,
            rss_bytes=_rss_bytes() - rss,
            cpu_s=time.process_time() - cpu_s,
        )


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _waited_s() -> float:
    # The second field of https://docs.kernel.org/scheduler/sched-stats.html, nanoseconds.
    files = Path("/proc/self/task").glob("*/schedstat")
    return sum(int(file.read_text(encoding="ascii").split()[1]) for file in files) / 1e9


def _threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
