"""`hot-key`: with `ring_hash`, one key has a good part of the requests."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence

from benchmarks.simulation.findings import Chart, Expectation, Findings, Line, Table
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.server import Request, Server
from benchmarks.simulation.tally import between, evenness, latency_ms
from benchmarks.simulation.world import HOT, Traffic, World
from discovery.pool import Pool

ENDPOINTS = 10
WARM_S = 2.0
LOAD = 0.7
SHARES = (0.0, 0.1, 0.3, 0.5)
CLIENTS = (1, 10, 100)


class HotKey(Scenario):
    title = "`ring_hash`: one key has a good part of the requests"
    about = """\
The rest is spread over a thousand keys. *without a bound* is what the busiest endpoint would get if each request
went to where its key belongs; with three tenths for one key that is more than an endpoint can bear. The bound is
1.25 times the mean of requests in flight, those of the client itself and rounded up, so that it is looser the fewer
a client has.
"""

    def play(self, setting: Setting) -> Findings:
        rows, expectations = [], []
        shares = SHARES[::2] if setting.quick else SHARES
        bounded: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
        unbounded: list[float] = []
        for hot in shares:
            for clients in CLIENTS:
                setting.tell(f"{hot:.0%} hot, clients: {clients}")
                requests, servers, homes = _play(setting, hot, clients)
                busiest = evenness(requests, servers).max_over_mean
                would_be = _busiest_at_home(requests, homes)
                others = [request for request in requests if request.key != HOT]
                at_home = 100 * sum(request.server is homes[request.key] for request in others) / len(others)
                latency = latency_ms(requests)
                rows.append((hot * 100, clients, busiest, would_be, at_home, latency.p50, latency.p99))
                bounded[clients].append(busiest)
                if clients == CLIENTS[0]:
                    unbounded.append(would_be)
                expectations.append(
                    Expectation(f"busiest / fair, {hot:.0%} of requests with one key, clients: {clients}", busiest, 1.6)
                )
        xs = [hot * 100 for hot in shares]
        return Findings(
            Table(
                (
                    *("% with the hot key", "clients", "busiest / fair", "without a bound"),
                    *("% of other keys at home", "p50 ms", "p99 ms"),
                ),
                rows,
            ),
            expectations,
            Chart(
                "hot-key",
                "The busiest endpoint's load over the fair one: it grows with the hot key's share without a bound, and "
                "stays near it with it.",
                "% of requests with one key",
                "busiest / fair",
                [
                    Line("without a bound", xs, unbounded),
                    *(Line(f"ring_hash, clients: {clients}", xs, busy) for clients, busy in bounded.items()),
                ],
                level=1.0,
            ),
        )


def _play(setting: Setting, hot: float, clients: int) -> tuple[Sequence[Request], Sequence[Server], dict[str, Server]]:
    """The requests, the servers, and where each key belongs."""
    seconds = 2.0 if setting.quick else 15.0
    world = World(f"{setting.seed} hot-key", (1.0,) * ENDPOINTS)
    for _ in range(clients):
        world.join(POLICIES["ring_hash"])
    world.run(Traffic(LOAD * world.capacity_rps, hot=hot), WARM_S + seconds)
    judged = between(world.requests, WARM_S, WARM_S + seconds)
    idle = world.clients[0]
    return judged, world.servers, {key: _home(idle, key) for key in {request.key for request in judged}}


def _home(idle: Pool, key: str) -> Server:
    lease = idle.pick(key)
    assert lease is not None
    lease.retract()
    server: Server = lease.node.connection
    return server


def _busiest_at_home(requests: Sequence[Request], homes: Mapping[str, Server]) -> float:
    """The most that a server would get over the fair share, were each request sent to where its key belongs."""
    counted = collections.Counter(homes[request.key] for request in requests)
    return max(counted.values()) * ENDPOINTS / len(requests)


SCENARIO = HotKey()
