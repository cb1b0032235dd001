"""Runs the arms one after another in a cluster of their own, and writes down what came of them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.context import ForkServerContext

from rich.console import Console

from benchmarks import plan, process, scenarios, strategies
from benchmarks.arm import Arm
from benchmarks.calls import TIMEOUT_S
from benchmarks.client import Job
from benchmarks.lab import launcher
from benchmarks.lab.cluster import Cluster, Pod, PodSettings
from benchmarks.lab.errors import LabError
from benchmarks.lab.surroundings import USERSPACE, USERSPACE_NOTE, WANTED, here
from benchmarks.plan import Options
from benchmarks.process import ClientError, ClientProcess
from benchmarks.progress import Progress
from benchmarks.report import report
from benchmarks.result import SCHEMA, Result, Run, environment
from benchmarks.strategies import Beside, Way
from benchmarks.summary import Measured, not_run, summarize

SERVICE = "echo"
PODS = PodSettings(latency_ms=4.0, concurrency=2, lame_duck_s=0.0)
"""A capacity of some 400 calls a second: without one, a single busy connection is faster than three, and the pinned
client would look best. Pods leave when no client is left, so there is nothing for a lame duck to wait for."""

_START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Crew:
    """The pods of an arm: those in the Service from the start, and those that wait."""

    pods: tuple[Pod, ...]
    spare: tuple[Pod, ...]


def run(options: Options, command: str) -> int:
    """Run everything; returns the exit status.

    0  every arm gave numbers, and no request failed
    1  an arm gave none, or requests failed: both are said
    2  the lab could not do its part: said in one line
    128 + n  signal n ended it
    """
    return asyncio.run(_run(options, command))


async def _run(options: Options, command: str) -> int:
    console = Console(width=None if sys.stdout.isatty() else 130)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    runs: list[Run] = []
    status = 0
    ended_by = _cancel_on_signal()
    try:
        if here() is USERSPACE:
            console.print(f"{USERSPACE_NOTE} ({launcher.available() or f'{WANTED}=userspace'})", soft_wrap=True)
        await _measure(options, console, runs.append)
    except asyncio.CancelledError:
        if not ended_by:
            raise
        status = 128 + ended_by[0]
        console.print(f"Interrupted, with {len(runs)} arms measured.")
    except LabError as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        status = 2
    if runs:
        result = Result(SCHEMA, environment(here().dataplane), started, command, tuple(runs))
        report(result, console)
        console.print(f"\nEverything measured: {result.write(options.output)}", soft_wrap=True)
    return status or _judge(runs)


def _cancel_on_signal() -> list[int]:
    """Let SIGINT and SIGTERM cancel the current task, once; returns a list that will hold the signal's number."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    ended_by: list[int] = []

    def end(number: int) -> None:
        if not ended_by:
            ended_by.append(number)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    return ended_by


def _judge(runs: Sequence[Run]) -> int:
    failures = [run for run in runs if run.applicable and (run.status != "ok" or run.errors)]
    if failures:
        print(f"benchmarks.compare: {len(failures)} of {len(runs)} arms failed, see above", file=sys.stderr)
    return 1 if failures else 0


async def _measure(options: Options, console: Console, keep: Callable[[Run], None]) -> None:
    arms = plan.arms(
        options,
        lambda strategy, wire: strategies.find(strategy).modes(wire),
        lambda strategy: not strategies.find(strategy).l4,
    )
    spare = {name: scenarios.find(name).spare_pods for name in options.scenarios}
    processes = process.context()
    with Progress(console, len(arms)) as progress:
        async with Cluster() as cluster:
            await cluster.create_service(SERVICE)
            crew = await _start(cluster, options.replicas, max(spare.values())) if options.quick else None
            for arm in arms:
                progress.begin(arm)
                on_stage = crew or await _start(cluster, options.replicas, spare[arm.scenario])
                try:
                    run = await _run_arm(arm, options, cluster, on_stage, processes)
                except ClientError as error:
                    print(error.detail, file=sys.stderr, end="\n" if error.detail else "")
                    run = not_run(arm, options, str(error))
                keep(run)
                progress.end(run)
                if crew is None:
                    await cluster.stop_pods([*on_stage.pods, *on_stage.spare])
                elif spare[arm.scenario]:
                    await cluster.leave(crew.spare)


async def _start(cluster: Cluster, replicas: int, spare: int) -> Crew:
    pods = await cluster.start_pods(SERVICE, replicas + spare, PODS, join=False)
    await cluster.join(pods[:replicas])
    return Crew(pods[:replicas], pods[replicas:])


async def _run_arm(arm: Arm, options: Options, cluster: Cluster, crew: Crew, processes: ForkServerContext) -> Run:
    strategy = strategies.find(arm.strategy)
    forwarder = cluster.forwarder_address(SERVICE, arm.wire)
    if forwarder and strategy.needs_dns:
        return not_run(arm, options, "it needs DNS, which there is only in namespaces", applicable=False)
    if reason := strategy.missing():
        return not_run(arm, options, reason, applicable=False)
    address = strategy.address(arm.wire, crew.pods, forwarder)
    async with strategy.beside(Beside(cluster, crew.pods, arm.wire, address)) as address:
        return await _run_client(arm, options, cluster, crew, processes, address)


async def _run_client(
    arm: Arm, options: Options, cluster: Cluster, crew: Crew, processes: ForkServerContext, address: str
) -> Run:
    strategy = strategies.find(arm.strategy)
    forwarder = cluster.forwarder_address(SERVICE, arm.wire)
    scenario = scenarios.find(arm.scenario)
    spare = crew.spare[: scenario.spare_pods]
    job = Job(
        strategy=arm.strategy,
        wire=arm.wire,
        client=arm.client,
        way=Way(address, arm.mode, options.policy),
        kubeconfig=str(cluster.kubeconfig),
        rate_rps=options.rate_rps,
        warmup_s=options.warmup_s,
        duration_s=options.duration_s,
    )
    pods = tuple(pod.name for pod in [*crew.pods, *spare])
    connections, dns_queries = await _connections(cluster, pods), cluster.dns_queries()
    async with ClientProcess(job, processes) as client:
        start = (await client.started(_START_TIMEOUT_S + options.warmup_s + TIMEOUT_S)).start
        stage = scenarios.Stage(cluster, crew.pods, spare, start, options.duration_s)
        playing = asyncio.create_task(scenario.play(stage))
        try:
            finished = await client.finished(options.duration_s + 2 * TIMEOUT_S)
            events = await playing
        finally:
            playing.cancel()
    return summarize(
        arm,
        options,
        Measured(
            load=finished.load,
            pods=pods,
            l4=strategy.l4,
            cpu_s=finished.cpu_s,
            # A forwarder knows nothing of what clients open to the pods themselves, and there is no DNS beside it.
            connections=None if forwarder and not strategy.l4 else await _connections(cluster, pods) - connections,
            dns_queries=None if forwarder else cluster.dns_queries() - dns_queries,
            events=events,
        ),
    )


async def _connections(cluster: Cluster, pods: Sequence[str]) -> int:
    accepted = await cluster.connections()
    return sum(accepted.get(pod, 0) for pod in pods)
