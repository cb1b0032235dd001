"""`steady`: nothing happens."""

from collections.abc import Iterator

from benchmarks.result import Event, Expectation, Run
from benchmarks.scenarios import Scenario
from benchmarks.scenarios._promises import at_least, at_most, even, no_errors, strategy
from benchmarks.stage import Stage


class Steady(Scenario):
    title = "Steady: the pods stay as they are"
    teaches = (
        "Who picks per request uses all pods alike; who keeps connections to a Service uses those that the kernel "
        "threw its dice for, and a gRPC channel is one connection."
    )
    spoils = False
    in_cluster_s = 5.0

    async def play(self, stage: Stage) -> tuple[Event, ...]:  # noqa: ARG002
        return ()

    def expectations(self, run: Run) -> Iterator[Expectation]:
        yield no_errors(run)
        if not strategy(run).l4:
            yield even(run)
        elif run.variant is not None:
            return  # affinity pins each client, and connections that end move about
        elif run.protocol == "grpc":
            yield at_least("the busiest pod's share over the fair one", run.max_over_mean or 0.0, 0.99 * run.replicas)
        elif run.connections_mode == "per-request":
            floors = (run.cv or 0.0) / (run.noise_floor_cv or 1.0)
            yield at_most("unevenness over that of chance", floors, 4.0)


SCENARIO = Steady()
