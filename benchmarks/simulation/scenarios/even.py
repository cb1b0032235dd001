"""`even`: ten endpoints that are all the same."""

from __future__ import annotations

from benchmarks.simulation.findings import Expectation, Findings, Table
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.tally import Latency, between, evenness, latency_ms
from benchmarks.simulation.world import Traffic, World

LOAD = 0.7
WARM_S = 2.0
CLIENTS = (1, 10, 100)
USUAL = 10


class Even(Scenario):
    title = "Ten endpoints, all the same"
    about = """\
The load is 70 % of what they can do. Work alone makes for a p99 of 46 ms; the rest is queueing. `first` stands for
what a single connection does: its one endpoint has to do the work of seven, and its queue grows for as long as the
run lasts.
"""

    def play(self, setting: Setting) -> Findings:
        rows: list[tuple[str, int, Latency, float]] = []
        for name in POLICIES:
            for clients in CLIENTS if name in {"least_request", "peak_ewma", "round_robin"} else (USUAL,):
                setting.tell(f"{name}, clients: {clients}")
                rows.append((name, clients, *_play(setting, name, clients)))
        p99 = {name: latency.p99 for name, clients, latency, _ in rows if clients == USUAL}
        return Findings(
            Table(
                ("policy", "clients", "p50 ms", "p99 ms", "max ms", "busiest / fair"),
                [(name, clients, *latency, busiest) for name, clients, latency, busiest in rows],
            ),
            [
                Expectation(f"p99 of {name} / that of random", p99[name] / p99["random"], 1.0)
                for name in ("least_request", "peak_ewma", "round_robin")
            ],
        )


def _play(setting: Setting, name: str, clients: int) -> tuple[Latency, float]:
    seconds = 2.0 if setting.quick else 30.0
    world = World(f"{setting.seed} even", (1.0,) * 10)
    for _ in range(clients):
        world.join(POLICIES[name])
    world.run(Traffic(LOAD * world.capacity_rps), WARM_S + seconds)
    judged = between(world.requests, WARM_S, WARM_S + seconds)
    return latency_ms(judged), evenness(judged, world.servers).max_over_mean


SCENARIO = Even()
