"""`pod-kill`: one pod ends without a word, by SIGKILL."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.result import Event, Expectation, Run
from benchmarks.scenarios import Scenario
from benchmarks.scenarios._promises import few_errors, no_errors, strategy
from benchmarks.stage import Stage

AT = 0.4


class PodKill(Scenario):
    title = "Pod kill: one of the pods is ended by SIGKILL"
    teaches = (
        "What was in flight at a pod that dies may have been carried out, so only the caller's own word that it may be "
        "repeated (GET, say) saves it; the next request costs nothing where the client goes elsewhere."
    )
    rate_rps = 300.0
    in_cluster_s = 20.0

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        await stage.until(AT)
        return (await stage.kill(await stage.busiest()),)

    def expectations(self, run: Run) -> Iterator[Expectation]:
        way = strategy(run)
        if way.is_ours:
            yield no_errors(run) if run.protocol == "http" else few_errors(run)


SCENARIO = PodKill()
