"""`slow-pod`: one pod takes ten times as long from some moment on."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.result import Event, Expectation, Run
from benchmarks.scenarios import Scenario
from benchmarks.scenarios._promises import answers_after, at_most, no_errors, strategy
from benchmarks.stage import Stage

AT = 0.3
LOOKS = ("least_request", "peak_ewma")
"""Policies that look at what an endpoint has to do."""


class SlowPod(Scenario):
    title = "Slow pod: one of the pods takes ten times as long"
    teaches = (
        "A slow pod sets the pace of all who give it its turn; who looks at what it still has to do gives it what it "
        "can bear."
    )
    rate_rps = 300.0

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        await stage.until(AT)
        return (await stage.lab.trouble(await stage.busiest(), "slow"),)

    def expectations(self, run: Run) -> Iterator[Expectation]:
        yield no_errors(run)
        if strategy(run).is_ours and run.policy in LOOKS:
            event = run.events[0]
            share = answers_after(run, event.at_s, event.pods[0]) / max(1, answers_after(run, event.at_s))
            yield at_most("the slow pod's share over the fair one", share * run.replicas, 0.5)


SCENARIO = SlowPod()
