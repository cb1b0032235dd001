"""What the run of an arm takes, in the lab and elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable

import msgspec

from benchmarks import plan, scenarios
from benchmarks.arm import Arm
from benchmarks.client import Finished, Job
from benchmarks.plan import Options
from benchmarks.process import ClientError
from benchmarks.progress import Progress
from benchmarks.record import Record
from benchmarks.result import Event, Run
from benchmarks.scenarios import Scenario
from benchmarks.stage import Stage
from benchmarks.strategies import Way
from benchmarks.summary import not_run


def work(arm: Arm, options: Options, way: Way, *, kubeconfig: str, live: bool) -> Job:
    """What its clients are to do."""
    return Job(
        strategy=arm.strategy,
        wire=arm.wire,
        client=arm.client,
        way=way,
        kubeconfig=kubeconfig,
        rate_rps=options.rate_rps,
        warmup_s=options.warmup_s,
        duration_s=options.duration_s,
        timeout_s=scenarios.find(arm.scenario).timeout_s,
        arrivals=options.arrivals,
        seed=plan.seed(arm),
        clients=options.client_processes,
        live=live,
    )


async def played(scenario: Scenario, stage: Stage, finished: Awaitable[Finished]) -> tuple[Finished, tuple[Event, ...]]:
    """What its clients have done, and what has happened meanwhile."""
    playing = asyncio.create_task(scenario.play(stage))
    try:
        return await finished, await playing
    finally:
        playing.cancel()
        await asyncio.wait({playing})


async def note(arm: Arm, options: Options, running: Awaitable[Run], record: Record, progress: Progress) -> None:
    """Write down what comes of it; what a client says that fails goes to stderr."""
    try:
        run = await running
    except ClientError as error:
        print(error.detail, file=sys.stderr, end="\n" if error.detail else "")
        run = not_run(arm, options, str(error))
    record.keep(run)
    progress.end(run)
    if options.json_lines:
        print(msgspec.json.encode(run).decode(), flush=True)
