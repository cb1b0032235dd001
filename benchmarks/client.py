"""The client process of one arm: it does what a service would, in an interpreter of its own, and reports back."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks import strategies
from benchmarks.arm import Client, Wire
from benchmarks.calls import asyncio_calls, calls
from benchmarks.load import Load, Schedule, run_asyncio, run_sync
from benchmarks.strategies import Way

# Between the message that measuring starts and the first request, so that both ends see the same start.
_LEAD_S = 0.02


@dataclass(frozen=True, slots=True)
class Job:
    """What the client is to do. `strategy` is a name or a target, `kubeconfig` the path of the file."""

    strategy: str
    wire: Wire
    client: Client
    way: Way
    kubeconfig: str
    rate_rps: float
    warmup_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Started:
    """The warm-up is over: the first measured request is due at this reading of time.monotonic()."""

    start: float


@dataclass(frozen=True, slots=True)
class Finished:
    """Every request has ended. `cpu_s` is the processor time that the measured ones took."""

    load: Load
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The client cannot go on; `traceback` says why, its last line by itself."""

    traceback: str


Message = Started | Finished | Failed


def main(job: Job, messages: Connection) -> None:
    """Run the job and send Started, then Finished; or Failed."""
    # Ctrl-C reaches every process of the terminal. Who started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What was imported before stays; collecting it again and again would be measured as the client's work.
    gc.freeze()
    _settle(job)
    try:
        finished = _run_sync(job, messages) if job.client == "sync" else asyncio.run(_run_asyncio(job, messages))
    except Exception:  # noqa: BLE001 - whatever it is, the other end must hear of it
        messages.send(Failed(traceback.format_exc().strip()))
    else:
        messages.send(finished)


def _settle(job: Job) -> None:
    """Be a program outside of any cluster, whose kubeconfig is the lab's, and with no proxy between it and the pods."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("KUBERNETES_"):
            del os.environ[name]
    os.environ["KUBECONFIG"] = job.kubeconfig


def _run_sync(job: Job, messages: Connection) -> Finished:
    with calls(strategies.find(job.strategy), job.wire, job.way) as call:
        run_sync(call, Schedule.lasting(job.warmup_s, job.rate_rps, time.monotonic()))
        schedule = _announce(job, messages)
        cpu_s = time.process_time()
        load = run_sync(call, schedule)
        return Finished(load, time.process_time() - cpu_s)


async def _run_asyncio(job: Job, messages: Connection) -> Finished:
    async with asyncio_calls(strategies.find(job.strategy), job.wire, job.way) as call:
        await run_asyncio(call, Schedule.lasting(job.warmup_s, job.rate_rps, time.monotonic()))
        schedule = _announce(job, messages)
        cpu_s = time.process_time()
        load = await run_asyncio(call, schedule)
        return Finished(load, time.process_time() - cpu_s)


def _announce(job: Job, messages: Connection) -> Schedule:
    schedule = Schedule.lasting(job.duration_s, job.rate_rps, time.monotonic() + _LEAD_S)
    messages.send(Started(schedule.start))
    return schedule
