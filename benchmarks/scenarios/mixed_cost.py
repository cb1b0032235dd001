"""`mixed-cost`: one call in a hundred takes fifty times as long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.result import Event, Expectation, Run
from benchmarks.scenarios import CAPACITY, Scenario
from benchmarks.scenarios._promises import no_errors
from benchmarks.stage import Stage


class MixedCost(Scenario):
    title = "Mixed cost: one call in a hundred takes fifty times as long"
    teaches = (
        "Requests are not alike, so that as many for each pod are not as much work for each; p99 is where it shows, "
        "since cheap calls wait behind dear ones."
    )
    settings = replace(CAPACITY, arguments=("--dear-ratio", "0.01"))
    in_cluster_s = 5.0

    async def play(self, stage: Stage) -> tuple[Event, ...]:  # noqa: ARG002 - it is so from the start
        return ()

    def expectations(self, run: Run) -> Iterator[Expectation]:
        yield no_errors(run)


SCENARIO = MixedCost()
