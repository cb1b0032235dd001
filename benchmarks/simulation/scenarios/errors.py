"""`errors`: a few requests fail, wherever they go."""

from __future__ import annotations

from benchmarks.simulation.findings import Expectation, Findings, Table
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.tally import Latency, between, evenness, latency_ms
from benchmarks.simulation.world import Traffic, World

LOAD = 0.7
WARM_S = 2.0
SHARES = (0.0, 0.0001, 0.001, 0.01)
CLIENTS = (1, 10)


class Errors(Scenario):
    title = "A few requests fail, wherever they go"
    about = """\
It is the requests that are bad, and not an endpoint: each policy is to go on as if nothing had happened. A failure
counts as a request in flight until the endpoint has answered another one, and for `peak_ewma` as an answer that took
as long as usual. Finagle and Linkerd count it as one of 5 s, which keeps the endpoint from requests for the better part
of a minute.
"""

    def play(self, setting: Setting) -> Findings:
        rows, expectations = [], []
        for name in ("least_request", "round_robin", "peak_ewma"):
            for clients in CLIENTS[:1] if setting.quick else CLIENTS:
                p99 = {}
                for share in SHARES:
                    setting.tell(f"{name}, {share:.2%} bad, clients: {clients}")
                    latency, busiest = _play(setting, name, clients, share)
                    rows.append((name, clients, share * 100, *latency, busiest))
                    p99[share] = latency.p99
                worst = max(p99[share] for share in SHARES) / p99[0.0]
                expectations.append(Expectation(f"p99 of {name} with errors / without, clients: {clients}", worst, 1.1))
        return Findings(
            Table(("policy", "clients", "% bad", "p50 ms", "p99 ms", "max ms", "busiest / fair"), rows), expectations
        )


def _play(setting: Setting, name: str, clients: int, share: float) -> tuple[Latency, float]:
    seconds = 2.0 if setting.quick else 30.0
    world = World(f"{setting.seed} errors", (1.0,) * 10)
    for _ in range(clients):
        world.join(POLICIES[name])
    world.run(Traffic(LOAD * world.capacity_rps, bad=share), WARM_S + seconds)
    judged = between(world.requests, WARM_S, WARM_S + seconds)
    return latency_ms(judged), evenness(judged, world.servers).max_over_mean


SCENARIO = Errors()
