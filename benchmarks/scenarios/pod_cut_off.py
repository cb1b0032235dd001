"""`pod-cut-off`: every packet to and from one pod is lost without a sign."""

from __future__ import annotations

from benchmarks.result import Event
from benchmarks.scenarios.pod_freeze import AT, PodFreeze
from benchmarks.stage import Stage


class PodCutOff(PodFreeze):
    title = "Pod cut off: all packets of one of the pods are lost"
    teaches = (
        "A node that loses its network looks like a pod that hangs, but connections to it cannot be opened either: who "
        "opens one for each request waits for the limit on connecting."
    )
    needs_network = True

    async def play(self, stage: Stage) -> tuple[Event, ...]:
        await stage.until(AT)
        pod = await stage.busiest()
        try:
            event = await stage.lab.cut_off(pod)
            await stage.until(1.0)
        finally:
            await stage.lab.reconnect(pod)
        return (event,)


SCENARIO = PodCutOff()
