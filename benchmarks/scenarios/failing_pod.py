"""`failing-pod`: one pod answers every call with an error, and at once, from some moment on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.result import Event, Expectation, Run
from benchmarks.scenarios import CAPACITY, Scenario
from benchmarks.scenarios._promises import answers_after, at_most, errors_after, strategy
from benchmarks.stage import Stage

AT = 0.3
NOTICED_S = 1.0


class FailingPod(Scenario):
    title = "Failing pod: one of the pods answers with errors, and at once"
    teaches = (
        "The pod that fails is always idle, so whoever looks at load alone sends it more; its probe says that it is "
        "well. Only the answers tell."
    )
    settings = replace(CAPACITY, arguments=("--trouble", "fail"))
    rate_rps = 300.0

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        await stage.until(AT)
        return (await stage.lab.trouble(await stage.busiest(), "failing"),)

    def expectations(self, run: Run) -> Iterator[Expectation]:
        if strategy(run).is_ours:
            noticed_s = run.events[0].at_s + NOTICED_S
            failed = errors_after(run, noticed_s)
            sent = failed + answers_after(run, noticed_s)
            yield at_most("% of requests that failed after 1 s", 100 * failed / max(1, sent), 2.0)


SCENARIO = FailingPod()
