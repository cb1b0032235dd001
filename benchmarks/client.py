"""The client process of one arm: it does what a service would, in an interpreter of its own, and reports back."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from benchmarks import strategies
from benchmarks.arm import Client, Wire
from benchmarks.arrivals import Arrivals, due_times, share
from benchmarks.calls import asyncio_calls, calls
from benchmarks.live import Counts, reporting
from benchmarks.load import Load, Request, Schedule, late_with_room, merged, run_asyncio, run_sync
from benchmarks.strategies import Way


@dataclass(frozen=True, slots=True)
class Job:
    """What the client is to do. `strategy` is a name or a target.

    kubeconfig  path of the file; empty in a pod, which finds its own way
    rate_rps  of all the clients that share the load
    seed      decides when the requests are due, where chance does
    clients   how many processes share the load; this is the one of that `number`, from 0
    live      whether to report while it goes on which pods have answered
    """

    strategy: str
    wire: Wire
    client: Client
    way: Way
    kubeconfig: str
    rate_rps: float
    warmup_s: float
    duration_s: float
    timeout_s: float
    arrivals: Arrivals = "constant"
    seed: str = ""
    clients: int = 1
    number: int = 0
    live: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """The warm-up is over. The answer is the reading of time.monotonic() at which the first measured request is due."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Every request has ended.

    cpu_s  the processor time that the measured ones took
    busy   the same as a share of one processor while they lasted; of several clients, that of the busiest
    late   requests that were late by the client's own fault, see `late_with_room`
    """

    load: Load
    cpu_s: float
    busy: float
    late: int

    @classmethod
    def of_all(cls, several: Sequence[Finished]) -> Finished:
        """What clients that shared a load have done, as if they were one."""
        return cls(
            load=merged(each.load for each in several),
            cpu_s=sum(each.cpu_s for each in several),
            busy=max(each.busy for each in several),
            late=sum(each.late for each in several),
        )


@dataclass(frozen=True, slots=True)
class Failed:
    """The client cannot go on; `traceback` says why, its last line by itself."""

    traceback: str


Message = Ready | Counts | Finished | Failed


class Messages(Protocol):
    """Who is told, and whose word to begin is waited for: a pipe, or a stand-in for one."""

    def send(self, message: Message, /) -> None: ...

    def recv(self) -> Any: ...


def main(job: Job, messages: Messages) -> bool:
    """Run the job and send Ready, then Counts and at last Finished; or Failed, and then return False."""
    # Ctrl-C reaches every process of the terminal. Who started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What was imported before stays; collecting it again and again would be measured as the client's work.
    gc.freeze()
    _settle(job)
    try:
        finished = _run_sync(job, messages) if job.client == "sync" else asyncio.run(_run_asyncio(job, messages))
    except Exception:  # noqa: BLE001 - whatever it is, the other end must hear of it
        messages.send(Failed(traceback.format_exc().strip()))
        return False
    messages.send(finished)
    return True


def _settle(job: Job) -> None:
    """Have no proxy between this and the pods; and with a kubeconfig, be a program outside of any other cluster."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or (job.kubeconfig and name.startswith("KUBERNETES_")):
            del os.environ[name]
    if job.kubeconfig:
        os.environ["KUBECONFIG"] = job.kubeconfig


def _run_sync(job: Job, messages: Messages) -> Finished:
    with calls(strategies.find(job.strategy), job.wire, job.way, job.timeout_s) as call:
        run_sync(call, _warmup(job))
        messages.send(Ready())
        schedule, ended = _measured(job, messages.recv()), list[Request]()
        with reporting(ended, messages, wanted=job.live):
            before = _Clocks.read()
            load = run_sync(call, schedule, ended=ended)
            return before.finished(load)


async def _run_asyncio(job: Job, messages: Messages) -> Finished:
    async with asyncio_calls(strategies.find(job.strategy), job.wire, job.way, job.timeout_s) as call:
        await run_asyncio(call, _warmup(job))
        messages.send(Ready())
        # Others may still be warming up; meanwhile the loop must go on, since connections live on it.
        schedule, ended = _measured(job, await asyncio.to_thread(messages.recv)), list[Request]()
        with reporting(ended, messages, wanted=job.live):
            before = _Clocks.read()
            load = await run_asyncio(call, schedule, ended=ended)
            return before.finished(load)


def _warmup(job: Job) -> Schedule:
    times = due_times("constant", job.rate_rps, job.warmup_s, job.seed)
    return Schedule(time.monotonic(), job.rate_rps, share(times, job.number, job.clients))


def _measured(job: Job, start: float) -> Schedule:
    times = due_times(job.arrivals, job.rate_rps, job.duration_s, job.seed)
    return Schedule(start, job.rate_rps, share(times, job.number, job.clients))


class _Clocks(NamedTuple):
    """Readings of the clock and of this process's processor time, in seconds."""

    wall_s: float
    cpu_s: float

    @classmethod
    def read(cls) -> _Clocks:
        return cls(time.monotonic(), time.process_time())

    def finished(self, load: Load) -> Finished:
        """What came of the requests since this reading."""
        wall_s, cpu_s = time.monotonic() - self.wall_s, time.process_time() - self.cpu_s
        return Finished(load, cpu_s, cpu_s / wall_s, late_with_room(load.requests))
