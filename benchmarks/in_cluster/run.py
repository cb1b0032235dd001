"""Runs the arms in a real cluster, one after another, and writes down what came of them."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from dataclasses import replace

from rich.console import Console

from benchmarks import plan, scenarios, strategies
from benchmarks.arm import Arm
from benchmarks.client import Finished
from benchmarks.frame import carry_out, planned
from benchmarks.in_cluster import objects, own, rights
from benchmarks.in_cluster.clients import clients
from benchmarks.in_cluster.objects import SERVICE
from benchmarks.in_cluster.scene import Scene
from benchmarks.in_cluster.stage import ClusterStage
from benchmarks.kubeconfig import Door, door, told
from benchmarks.lab.background import Background
from benchmarks.lab.client import ApiClient
from benchmarks.lab.errors import LabError
from benchmarks.lab.kinds import DEPLOYMENT
from benchmarks.lab.pod_settings import PodSettings
from benchmarks.lab.runs import new_name
from benchmarks.live import Counts
from benchmarks.plan import Options
from benchmarks.playing import note, played, work
from benchmarks.progress import Progress
from benchmarks.record import Record
from benchmarks.result import Environment, Event, Run, environment
from benchmarks.stage import Stage
from benchmarks.strategies import Place, Strategy, Way
from benchmarks.summary import Measured, not_run, summarize

OLDEST = (1, 30)
"""The oldest Kubernetes that has all of `k8s/base`: a pause before a pod ends (KEP-3960)."""

_ROLLOUT_S = 300.0
_WARM_S = 60.0


def run(options: Options, command: str) -> int:
    """Run everything; returns the exit status, as `benchmarks.run.run` does."""
    assert options.cluster is not None
    try:
        way_in = door(options.cluster.kubeconfig, options.cluster.context)
        return asyncio.run(_run(options, command, way_in))
    except LabError as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        return 2


async def _run(options: Options, command: str, way_in: Door) -> int:
    async with way_in.client as api:
        with told(way_in):
            version = (await api.read("/version"))["gitVersion"]
        _check_version(version)

        async def measure(console: Console, record: Record) -> None:
            with told(way_in):
                await _measure(options, console, record, api)

        return await carry_out(options, command, _environment(version), measure)


def _check_version(version: str) -> None:
    found = re.match(r"v(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        raise LabError(f"the cluster runs Kubernetes {version}: what is applied needs {OLDEST[0]}.{OLDEST[1]} or newer")


def _environment(version: str) -> Environment:
    """The cluster's. What the nodes are is theirs to tell; Python and the packages are those of the image, as here."""
    return replace(environment("cluster"), cpus=0, kernel="unknown", api_server=version)


async def _measure(options: Options, console: Console, record: Record, api: ApiClient) -> None:
    assert options.cluster is not None
    every = planned(options)
    arms = [arm for arm in every if record.lacks(arm)]
    name, image = new_name(), options.cluster.image
    await rights.check(api, name)
    await own.remove_leftovers(api, console)
    async with own.own_namespace(api, name, console), Background() as background:
        control_plane = any(arm.strategy == "grpc-xds" for arm in arms)
        for manifest in objects.everything(name, image, 0, control_plane=control_plane):
            await api.create(objects.kind_of(manifest), name, manifest)
        scene = Scene(api, name, options.cluster.pending_s)
        for following, called in scene.works():
            background.start(following, called)
        with Progress(console, options, arms, len(every) - len(arms), scenarios.find) as progress:
            for arm in arms:
                progress.begin(arm)
                given = plan.of_scenario(options, scenarios.find(arm.scenario))
                await note(arm, given, _run_arm(arm, given, scene, image, progress), record, progress)


async def _run_arm(arm: Arm, options: Options, scene: Scene, image: str, progress: Progress) -> Run:
    strategy, scenario = strategies.find(arm.strategy), scenarios.find(arm.scenario)
    if scenario.in_cluster_s is None:
        return not_run(arm, options, "no API server can be asked for what happens in it", applicable=False)
    if strategy.address_in_cluster(arm.wire, Place((), scene.namespace)) is None:
        return not_run(arm, options, "it needs more than k8s/base has", applicable=False)
    arguments = (*scenario.settings.arguments, *strategy.pod_arguments)
    await _provide(scene, image, options.replicas, replace(scenario.settings, arguments=arguments))
    place = Place(tuple(scene.members().values()), scene.namespace)
    way = Way(strategy.address_in_cluster(arm.wire, place) or "", arm.mode, options.policy, scene.namespace)
    answers = Counter[str]()

    def count(counts: Counts) -> None:
        answers.update(counts.by_backend)
        progress.count(counts)

    async with clients(scene, image, work(arm, options, way, kubeconfig="", live=True)) as those:
        start = await those.started(options.warmup_s + scenario.timeout_s + _WARM_S)
        stage = ClusterStage(scene, scenario.spare_pods, answers, start, options.duration_s)
        finishing = those.finished(options.duration_s + 2 * scenarios.TIMEOUT_S, count)
        finished, events = await played(scenario, stage, finishing)
    told = tuple(sorted((*events, *stage.rest()), key=lambda event: event.at_s))
    run = summarize(arm, options, _measured(finished, strategy, stage, told))
    return replace(run, expectations=tuple(scenario.expectations(run)))


def _measured(finished: Finished, strategy: Strategy, stage: Stage, events: tuple[Event, ...]) -> Measured:
    answered = (request.backend for request in finished.load.requests if request.backend is not None)
    joined = (pod for event in events for pod in event.pods)
    return Measured(
        load=finished.load,
        pods=tuple(dict.fromkeys((*stage.pods, *joined, *answered))),
        l4=strategy.l4,
        cpu_s=finished.cpu_s,
        connections=None,
        dns_queries=None,
        events=events,
        late_sends=finished.late,
        client_busy=finished.busy,
    )


async def _provide(scene: Scene, image: str, replicas: int, settings: PodSettings) -> None:
    """Have so many pods that answer like that; returns when the Service has them, and no others."""
    patch = objects.provider(image, replicas, settings)
    generation = (await scene.api.patch(DEPLOYMENT, scene.namespace, SERVICE, patch))["metadata"]["generation"]

    def is_out() -> bool:
        deployment = scene.deployment(SERVICE) or {}
        status = deployment.get("status") or {}
        counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
        is_new = status.get("observedGeneration", 0) >= generation
        return is_new and counts == [replicas] * 3 and len(scene.members()) == replicas

    await scene.until(is_out, f"the {replicas} pods of the Service were not ready", _ROLLOUT_S)
