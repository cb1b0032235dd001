"""`scale-up`: pods that are started beforehand join the Service in the middle of the run."""

import asyncio
import time

from benchmarks.result import Event
from benchmarks.scenarios import Scenario, Stage
from benchmarks.summary import JOINED

# Early enough that a client has time to reach its fair share, late enough to see the balance before.
AT = 0.4


class ScaleUp(Scenario):
    title = "Scale-up: seven more pods join in mid-run"
    spare_pods = 7

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        await asyncio.sleep(stage.start + AT * stage.duration_s - time.monotonic())
        written = await stage.cluster.join(stage.spare)
        return (Event(written - stage.start, JOINED, tuple(pod.name for pod in stage.spare)),)


SCENARIO = ScaleUp()
