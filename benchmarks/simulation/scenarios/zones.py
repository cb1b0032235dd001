"""`zones`: clients prefer their own zone, and half of one zone goes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

from benchmarks.simulation.findings import Expectation, Findings, Table
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.server import Server
from benchmarks.simulation.tally import between, evenness, latency_ms
from benchmarks.simulation.world import Traffic, World
from discovery.balancing import Balancing
from discovery.node import Owner

ZONES = ("a", "b", "c")
ENDPOINTS = CLIENTS = 30
"""Ten of each in each zone."""
LOAD = 0.6
GO_S = 1.0
SETTLED_S = 1.0


class Zones(Scenario):
    title = "Half of one zone goes, and clients prefer their own zone"
    about = """\
Three zones with ten endpoints and ten clients each; five endpoints of zone *a* go, at a load of 60 % of what all
thirty could do, which is 72 % of what is left. *removed*: they leave the set; *unreachable*: they stay in it, and no
connection to them comes about; *failing*: they answer with errors, so that only ejection can tell.

Zone *a* then has five of the 25 endpoints and a third of the clients, so that each client borrows four endpoints of
the other zones; fair is a 25th of the requests. With *failing*, ejection stops at a tenth of the thirty endpoints:
two of the five go on getting requests from policies that do not turn away from failures by themselves.
"""

    def play(self, setting: Setting) -> Findings:
        rows, expectations = [], []
        for what, event in EVENTS.items():
            for name in ("least_request", "round_robin"):
                for prefer in (True,) if setting.quick else (True, False):
                    setting.tell(f"{what}, {name}, prefer_zone={prefer}")
                    row = _play(setting, event, name, prefer)
                    rows.append((what, name, "yes" if prefer else "no", *row))
                    in_zone, busiest, *_ = row
                    if prefer:
                        expectations += [
                            Expectation(f"busiest / fair, {what}, {name}", busiest, 2.0),
                            Expectation(f"% in zone, {what}, {name}", in_zone, 80.0, at_least=True),
                        ]
        return Findings(
            Table(
                ("five of zone a", "policy", "prefer_zone", "% in zone", "busiest / fair", "p99 ms", "% failed"), rows
            ),
            expectations,
        )


def _removed(world: World, going: Sequence[Server]) -> None:
    for client in world.clients:
        world.tell(client, without=going)


def _unreachable(world: World, going: Sequence[Server]) -> None:
    for client in world.clients:
        for node in client.nodes:
            if node.connection in going:
                node.report(False, "unreachable")


def _failing(_: World, going: Sequence[Server]) -> None:
    for server in going:
        server.failing = True


Event = Callable[[World, Sequence[Server]], None]
EVENTS: dict[str, Event | None] = {"stay": None, "removed": _removed, "unreachable": _unreachable, "failing": _failing}


def _play(setting: Setting, event: Event | None, name: str, prefer: bool) -> tuple[float, float, float, float]:
    """Percent that stayed in their zone, busiest / fair, p99 in ms and percent failed."""
    seconds = 1.0 if setting.quick else 10.0
    world = World(f"{setting.seed} zones", (1.0,) * ENDPOINTS, ZONES)
    zones: dict[Owner, str] = {}
    for zone, number in itertools.islice(zip(itertools.cycle(ZONES), itertools.count()), CLIENTS):
        balancing = Balancing(prefer_zone=prefer, zone=zone, identity=f"client-{number}")
        zones[world.join(POLICIES[name], balancing)] = zone
    left = world.servers
    if event is not None:
        going = [server for server in world.servers if server.endpoint.zone == "a"][:5]
        left = tuple(server for server in world.servers if server not in going)
        world.clock.later(GO_S, functools.partial(event, world, going))
    world.run(Traffic(LOAD * world.capacity_rps), GO_S + SETTLED_S + seconds)
    judged = between(world.requests, GO_S + SETTLED_S, GO_S + SETTLED_S + seconds)
    in_zone = sum(request.server.endpoint.zone == zones[request.lease.node.owner] for request in judged)
    return (
        100 * in_zone / len(judged),
        evenness([request for request in judged if request.server in left], left).max_over_mean,
        latency_ms(judged).p99,
        100 * sum(not request.ok for request in judged) / len(judged),
    )


SCENARIO = Zones()
