"""`rolling-restart`: each pod is replaced, one by one, as a Deployment does it with maxSurge 1 and maxUnavailable 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.result import Event, Expectation, Run
from benchmarks.scenarios import CAPACITY, Scenario
from benchmarks.scenarios._promises import no_errors, strategy
from benchmarks.stage import Stage

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
    in_cluster_s = 60.0

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        await stage.until(BEGIN)
        return await stage.replace_all(self.settings)

    def expectations(self, run: Run) -> Iterator[Expectation]:
        follows_s = strategy(run).follows_s
        if follows_s is not None and follows_s <= self.settings.lame_duck_s:
            yield no_errors(run)


SCENARIO = RollingRestart()
