"""Runs the arms one after another in a cluster of their own, and writes down what came of them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.context import ForkServerContext

from rich.console import Console

from benchmarks import cpu, local_pods, plan, process, scenarios, strategies
from benchmarks.arm import Arm
from benchmarks.frame import carry_out, planned
from benchmarks.lab import launcher
from benchmarks.lab.cluster import Cluster, Pod
from benchmarks.lab.control_plane import ControlPlane
from benchmarks.lab.errors import LabError
from benchmarks.lab.surroundings import USERSPACE, USERSPACE_NOTE, WANTED, here
from benchmarks.plan import Options
from benchmarks.playing import note, played, work
from benchmarks.process import Clients
from benchmarks.progress import Progress
from benchmarks.record import Record
from benchmarks.result import Run, environment
from benchmarks.scenarios import Scenario
from benchmarks.stage import LabStage
from benchmarks.strategies import Beside, Place, Way
from benchmarks.summary import Measured, not_run, summarize

SERVICE = "echo"
DNS_TTL_S = 1
"""An arm lasts for seconds. Clusters have 5 (CoreDNS) or 30 (kubeadm), and who resolves notices later by as much."""

_START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Crew:
    """The pods of an arm: those in the Service from the start, and those that wait."""

    pods: tuple[Pod, ...]
    spare: tuple[Pod, ...]


def run(options: Options, command: str) -> int:
    """Run everything; returns the exit status.

    0  every arm gave numbers, and what its scenario promises of it held
    1  an arm gave none, or a promise was broken: both are said
    2  the lab could not do its part: said in one line
    128 + n  signal n ended it
    """
    try:
        return asyncio.run(_measured(options, command))
    except KeyboardInterrupt:  # before anything was begun: later it is handled
        return 128 + signal.SIGINT


async def _measured(options: Options, command: str) -> int:
    place = here()
    if options.local_pods:
        return await _on_another_api_server(options, command)

    async def measure(console: Console, record: Record) -> None:
        if place is USERSPACE:
            console.print(f"{USERSPACE_NOTE} ({launcher.available() or f'{WANTED}=userspace'})", soft_wrap=True)
        await _measure(options, console, record)

    return await carry_out(options, command, environment(place.dataplane), measure)


async def _on_another_api_server(options: Options, command: str) -> int:
    try:
        async with local_pods.reached() as there:

            async def measure(console: Console, record: Record) -> None:
                say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
                with there.told():
                    await _measure(options, console, record, there.control_plane(say))

            return await carry_out(options, command, environment(here().dataplane, there.version), measure)
    except LabError as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        return 2


async def _measure(
    options: Options, console: Console, record: Record, control_plane: ControlPlane | None = None
) -> None:
    every = planned(options)
    played = {name: scenarios.find(name) for name in options.scenarios}
    arms = [arm for arm in every if record.lacks(arm)]
    processes = process.context()
    with Progress(console, options, arms, len(every) - len(arms), played.__getitem__) as progress:
        async with Cluster(dns_ttl_s=DNS_TTL_S, control_plane=control_plane) as cluster:
            await cluster.create_service(SERVICE)
            shared = [each for each in played.values() if options.quick and not each.spoils]
            crew = await _start(cluster, options.replicas, max(shared, key=_spare)) if shared else None
            for arm in arms:
                progress.begin(arm)
                scenario = played[arm.scenario]
                arguments = strategies.find(arm.strategy).pod_arguments
                shares = crew if scenario in shared and not arguments else None
                if crew and not shares:
                    await cluster.leave(crew.pods)
                on_stage = shares or await _start(cluster, options.replicas, scenario, arguments)
                new: list[Pod] = []
                given = plan.of_scenario(options, scenario)
                running = _run_arm(arm, given, cluster, on_stage, new, processes, progress)
                await note(arm, given, running, record, progress)
                if not shares:
                    await cluster.end_pods([*on_stage.pods, *on_stage.spare, *new])
                    if crew:
                        await cluster.join(crew.pods)
                elif scenario.spare_pods:
                    await cluster.leave(on_stage.spare)


def _spare(scenario: Scenario) -> int:
    return scenario.spare_pods


async def _start(cluster: Cluster, replicas: int, scenario: Scenario, arguments: tuple[str, ...] = ()) -> Crew:
    settings = replace(scenario.settings, arguments=(*scenario.settings.arguments, *arguments))
    pods = await cluster.start_pods(SERVICE, replicas + scenario.spare_pods, settings, join=False)
    await cluster.join(pods[:replicas])
    return Crew(pods[:replicas], pods[replicas:])


async def _run_arm(
    arm: Arm,
    options: Options,
    cluster: Cluster,
    crew: Crew,
    new: list[Pod],
    processes: ForkServerContext,
    progress: Progress,
) -> Run:
    strategy = strategies.find(arm.strategy)
    forwarder = cluster.forwarder_address(SERVICE, arm.wire)
    if forwarder and strategy.needs_dns:
        return not_run(arm, options, "it needs DNS, which there is only in namespaces", applicable=False)
    if reason := strategy.missing():
        return not_run(arm, options, reason, applicable=False)
    if forwarder and scenarios.find(arm.scenario).needs_network:
        return not_run(arm, options, "it needs pods with addresses of their own: namespaces", applicable=False)
    if options.local_pods and scenarios.find(arm.scenario).needs_faults:
        return not_run(arm, options, "it needs the lab's own API server, which can be made to fail", applicable=False)
    place = Place(crew.pods, cluster.namespace, forwarder)
    beside = Beside(cluster, crew.pods, place, arm.wire, strategy.address(arm.wire, place))
    async with strategy.beside(beside) as address:
        return await _run_client(arm, options, cluster, crew, new, processes, progress, address)


async def _run_client(
    arm: Arm,
    options: Options,
    cluster: Cluster,
    crew: Crew,
    new: list[Pod],
    processes: ForkServerContext,
    progress: Progress,
    address: str,
) -> Run:
    strategy, scenario = strategies.find(arm.strategy), scenarios.find(arm.scenario)
    forwarder = cluster.forwarder_address(SERVICE, arm.wire)
    spare = crew.spare[: scenario.spare_pods]
    way = Way(address, arm.mode, options.policy, cluster.namespace)
    job = work(arm, options, way, kubeconfig=str(cluster.kubeconfig), live=progress.live)
    on_stage = [*crew.pods, *spare]
    connections, dns_queries = await cluster.connections(), cluster.dns_queries()
    async with Clients(job, processes) as client:
        start = (await client.started(_START_TIMEOUT_S + options.warmup_s + scenario.timeout_s)).start
        served_s = cpu.seconds(on_stage)
        stage = LabStage(cluster, SERVICE, crew.pods, spare, new, start, options.duration_s)
        answers = client.finished(options.duration_s + 2 * scenarios.TIMEOUT_S, progress.count)
        finished, events = await played(scenario, stage, answers)
    run = summarize(
        arm,
        options,
        Measured(
            load=finished.load,
            pods=tuple(pod.name for pod in [*on_stage, *new]),
            l4=strategy.l4,
            cpu_s=finished.cpu_s,
            served_s=cpu.spent(served_s, cpu.seconds(on_stage)) if not new else None,
            # A forwarder knows nothing of what clients open to the pods themselves, and there is no DNS beside it.
            connections=None if forwarder and not strategy.l4 else _opened(connections, await cluster.connections()),
            dns_queries=None if forwarder else cluster.dns_queries() - dns_queries,
            events=events,
            late_sends=finished.late,
            client_busy=finished.busy,
        ),
    )
    return replace(run, expectations=tuple(scenario.expectations(run)))


def _opened(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    return sum(after.values()) - sum(before.values())
