"""`scale-up`: pods that are started beforehand join the Service in the middle of the run."""

from collections.abc import Iterator

from benchmarks.result import Event, Expectation, Run
from benchmarks.scenarios import Scenario
from benchmarks.scenarios._promises import at_most, no_errors, strategy
from benchmarks.stage import Stage

# Early enough that a client has time to reach its fair share, late enough to see the balance before.
AT = 0.4


class ScaleUp(Scenario):
    title = "Scale-up: seven more pods join in mid-run"
    teaches = "New pods help those who hear of them: a watch tells within milliseconds, a connection never does."
    spare_pods = 7
    spoils = False
    in_cluster_s = 20.0

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        await stage.until(AT)
        return (await stage.grow(),)

    def expectations(self, run: Run) -> Iterator[Expectation]:
        yield no_errors(run)
        first = run.reaction.first_request_ms if run.reaction else None
        way = strategy(run)
        if way.follows_s is not None:
            if run.events[0].at_s + way.follows_s < run.duration_s:  # else it was over before it had to happen
                taken = float("inf") if first is None else first
                yield at_most("ms until a new pod has its first request", taken, way.follows_s * 1000)
        elif run.variant is None and (not way.l4 or run.protocol == "grpc"):
            yield Expectation("the new pods get nothing", first is None)


SCENARIO = ScaleUp()
