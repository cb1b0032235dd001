"""`steady`: nothing happens."""

from benchmarks.result import Event
from benchmarks.scenarios import Scenario, Stage


class Steady(Scenario):
    title = "Steady: the pods stay as they are"
    spare_pods = 0

    async def play(self, stage: Stage) -> tuple[Event, ...]:  # noqa: ARG002
        return ()


SCENARIO = Steady()
