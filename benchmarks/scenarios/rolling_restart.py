"""`rolling-restart`: each pod is replaced, one by one, as a Deployment does it with maxSurge 1 and maxUnavailable 0."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.result import JOINED, LEFT, Event, Expectation, Run
from benchmarks.scenarios import CAPACITY, Scenario, Stage
from benchmarks.scenarios._promises import no_errors, strategy

BEGIN = 0.1


class RollingRestart(Scenario):
    title = "Rolling restart: each pod is replaced by a new one"
    teaches = (
        "A deployment costs nothing where clients let go of a pod while it still accepts: pods need a lame duck's time "
        "(a preStop hook) that is longer than news takes, and clients that hear it."
    )
    settings = replace(CAPACITY, lame_duck_s=1.0)
    rate_rps = 300.0
    least_s = 7.0

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        await stage.until(BEGIN)
        events, leaving = list[Event](), list[asyncio.Task[None]]()
        for old in stage.pods:
            new = await stage.cluster.start_pods(stage.service, 1, self.settings)
            stage.new.extend(new)
            events.append(stage.event(JOINED, *new))
            # It does not count any more, so that the next new one is started while it leaves.
            leaving.append(asyncio.ensure_future(stage.cluster.stop_pods([old])))
            events.append(stage.event(LEFT, old))
        await asyncio.gather(*leaving)
        return tuple(events)

    def expectations(self, run: Run) -> Iterator[Expectation]:
        follows_s = strategy(run).follows_s
        if follows_s is not None and follows_s <= self.settings.lame_duck_s:
            yield no_errors(run)


SCENARIO = RollingRestart()
