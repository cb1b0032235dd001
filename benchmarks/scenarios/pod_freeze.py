"""`pod-freeze`: one pod stops in its tracks, by SIGSTOP: its connections stay open, and nothing answers."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.load import IN_FLIGHT
from benchmarks.result import Event, Expectation, Run
from benchmarks.scenarios import Scenario
from benchmarks.scenarios._promises import at_most, strategy
from benchmarks.stage import Stage

AT = 0.25
PROBES = 5
"""An ejection's backoff at least doubles: so many probes fit into the longest run that is usual, and more."""


class PodFreeze(Scenario):
    title = "Pod freeze: one of the pods is halted by SIGSTOP"
    teaches = (
        "A pod that hangs is worse than one that dies: nothing tells, and each caller waits for its own time limit "
        "until somebody counts the failures, be it the client or the kubelet."
    )
    timeout_s = 1.0
    rate_rps = 300.0
    least_s = 8.0

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        await stage.until(AT)
        return (await stage.lab.freeze(await stage.busiest()),)

    def expectations(self, run: Run) -> Iterator[Expectation]:
        if strategy(run).is_ours:
            yield at_most("requests that failed, of those in flight and of probes", run.errors or 0, IN_FLIGHT + PROBES)


SCENARIO = PodFreeze()
