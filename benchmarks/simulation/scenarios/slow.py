"""`slow`: one endpoint is ten times slower than the others."""

from __future__ import annotations

from benchmarks.simulation.findings import Chart, Expectation, Findings, Line, Table
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.tally import Latency, between, latency_ms, percent, slower_than
from benchmarks.simulation.world import Traffic, World

LOAD = 0.7
WARM_S = 2.0
SLOWNESS = (10.0, *(1.0,) * 9)
CLIENTS = (1, 10, 100)
USUAL = 10


class Slow(Scenario):
    title = "One endpoint of ten is ten times slower"
    about = """\
The load is 70 % of what the ten can do together. By its capacity the slow one's share is 1.1 %; with more its queue
grows for as long as that lasts. So the p99 of a policy that does not look says how long the run was, and a fifth of
`round_robin`'s is an easy bound. The numbers themselves say more.

A client of `least_request` knows of an endpoint's queue what it has in it itself. With one client that is all of it;
of a hundred, each has to have a request with the slow one before it turns to the others. `peak_ewma` needs one
answer, and is the policy for many clients with few requests each.
"""

    def play(self, setting: Setting) -> Findings:
        rows, p99, lines = [], {}, []
        for name in POLICIES:
            for clients in CLIENTS if name in {"least_request", "peak_ewma"} else (USUAL,):
                setting.tell(f"{name}, clients: {clients}")
                latency, share, line = _play(setting, name, clients)
                rows.append((name, clients, *latency, share))
                if clients == USUAL:
                    p99[name] = latency.p99
                    if name in {"least_request", "peak_ewma", "round_robin"}:
                        lines.append(line)
        return Findings(
            Table(("policy", "clients", "p50 ms", "p99 ms", "max ms", "% to the slow one"), rows),
            [
                Expectation(f"p99 of {name} / that of round_robin", p99[name] / p99["round_robin"], 0.2)
                for name in ("least_request", "peak_ewma")
            ],
            Chart(
                "slow",
                "Latencies with ten clients: a tenth of round_robin's grow with the run, to minutes; the others "
                "do not.",
                "milliseconds",
                "share of requests that took longer",
                lines,
                log_x=True,
                log_y=True,
            ),
        )


def _play(setting: Setting, name: str, clients: int) -> tuple[Latency, float, Line]:
    """Latencies, percent to the slow one, and the distribution."""
    seconds = 2.0 if setting.quick else 30.0
    world = World(f"{setting.seed} slow", SLOWNESS)
    for _ in range(clients):
        world.join(POLICIES[name])
    world.run(Traffic(LOAD * world.capacity_rps), WARM_S + seconds)
    judged = between(world.requests, WARM_S, WARM_S + seconds)
    return latency_ms(judged), percent(judged, world.servers[0]), slower_than(name, judged)


SCENARIO = Slow()
