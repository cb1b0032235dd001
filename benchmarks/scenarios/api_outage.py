"""`api-outage`: the API server is gone for the middle third of the run, and pods come and go meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.result import Event, Expectation, Run
from benchmarks.scenarios import Scenario
from benchmarks.scenarios._promises import few_errors, no_errors, strategy
from benchmarks.stage import Stage

GONE, CHANGE, BACK = 1 / 3, 0.45, 2 / 3


class ApiOutage(Scenario):
    title = "API outage: the API server is gone for the middle third, while a pod dies and two come"
    teaches = (
        "Who watches does not need the API server for a request: the last set serves on, a dead pod is found by its "
        "connections, and new pods are used when the server is back. (kube-proxy here hears of them all the while.)"
    )
    spare_pods = 2
    rate_rps = 300.0
    least_s = 9.0
    needs_faults = True

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        faults = stage.lab.cluster.faults
        await stage.until(GONE)
        gone = stage.event("API server gone")
        await faults.kill()
        try:
            await stage.until(CHANGE)
            killed = await stage.kill(await stage.busiest())
            joined = await stage.grow()
            await stage.until(BACK)
        finally:
            await faults.start()
        return gone, killed, joined, stage.event("API server back")

    def expectations(self, run: Run) -> Iterator[Expectation]:
        way = strategy(run)
        if way.is_ours:
            yield no_errors(run) if run.protocol == "http" else few_errors(run)
        if way.watches_api:
            served = sum((run.by_backend or {}).get(pod, 0) for pod in run.events[2].pods)
            yield Expectation("the new pods are used when the server is back", served > 0)


SCENARIO = ApiOutage()
