"""`cold`: an endpoint joins that has to get warm first."""

from __future__ import annotations

import functools

from benchmarks.simulation.findings import Chart, Expectation, Findings, Line, Table
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.tally import Latency, between, latency_ms, percent, percent_over_time
from benchmarks.simulation.world import Traffic, World
from discovery.balancing import Balancing

JOIN_S = 2.0
WARM_S = 10.0
COLDEST = 0.1
CLIENTS = 10
LOAD = 0.7


class Cold(Scenario):
    title = "A cold endpoint joins, with and without slow start"
    about = """\
Nine endpoints are warm; the tenth joins with a tenth of their speed, which grows to the whole in 10 s as caches fill
and code is compiled. The load is 70 % of what the ten can do once all are warm. Latencies are those of requests that
were due in the 10 s after it joined.
"""

    def play(self, setting: Setting) -> Findings:
        rows, expectations, lines = [], [], []
        for name in ("round_robin", "least_request", "peak_ewma"):
            p99 = {}
            for slow_start_s in (0.0, WARM_S):
                setting.tell(f"{name}, slow_start_s={slow_start_s:g}")
                latency, share, line = _play(setting, name, slow_start_s)
                rows.append((name, slow_start_s, *latency, share))
                p99[slow_start_s] = latency.p99
                if name != "peak_ewma":
                    lines.append(line)
            if name == "round_robin":
                expectations.append(
                    Expectation(f"p99 of {name} with slow start / without", p99[WARM_S] / p99[0.0], 0.2)
                )
            expectations.append(Expectation(f"p99 in ms of {name} with slow start", p99[WARM_S], 100.0))
        return Findings(
            Table(("policy", "slow_start_s", "p50 ms", "p99 ms", "max ms", "% to the cold one"), rows),
            expectations,
            Chart(
                "cold",
                "Without slow start round_robin gives the cold endpoint a tenth from the first moment, with it a share "
                "that grows for ten seconds.",
                "seconds since it joined",
                "% of requests that it got",
                lines,
                level=10.0,
            ),
        )


def _play(setting: Setting, name: str, slow_start_s: float) -> tuple[Latency, float, Line]:
    world = World(f"{setting.seed} cold", (1.0,) * 10)
    cold = world.servers[-1]
    for _ in range(CLIENTS):
        world.tell(world.join(POLICIES[name], Balancing(slow_start_s=slow_start_s)), without=[cold])

    def join() -> None:
        for client in world.clients:
            world.tell(client)

    rate_rps = LOAD * world.capacity_rps
    world.clock.later(JOIN_S, join)
    for step in range(101):
        speed = COLDEST + (1 - COLDEST) * step / 100
        world.clock.later(JOIN_S + WARM_S * step / 100, functools.partial(setattr, cold, "slowness", 1 / speed))
    world.run(Traffic(rate_rps), JOIN_S + WARM_S)
    judged = between(world.requests, JOIN_S, JOIN_S + WARM_S)
    label = f"{name}, slow start" if slow_start_s else name
    return (
        latency_ms(judged),
        percent(judged, cold),
        percent_over_time(label, judged, cold, JOIN_S, JOIN_S + WARM_S, 0.5),
    )


SCENARIO = Cold()
