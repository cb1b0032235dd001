"""`subsets`: many clients, of which each connects to a few of many endpoints."""

from __future__ import annotations

import collections
from collections.abc import Sequence

from benchmarks.balance import Balance, balance
from benchmarks.simulation.findings import Chart, Expectation, Findings, Line, Table
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.server import endpoint
from discovery.balancing import Balancing
from discovery.model import Endpoint, Snapshot
from discovery.node import Node
from discovery.pool import Pool
from discovery.testing import FakeClock

CLIENTS, ENDPOINTS, SUBSET = 1000, 300, 30


class Subsets(Scenario):
    title = "A thousand clients with subsets of 30 of 300 endpoints"
    about = """\
Without subsets they would hold 300,000 connections. Each takes the 30 that rendezvous hashing gives it, so an
endpoint has as many as chance has it: 100 on average, and a standard deviation of 9.5, of which the busiest of 300
is some three above. What a change forces is that those who had an endpoint that goes replace it, and that those who
take one that comes give one up for it.
"""

    def play(self, setting: Setting) -> Findings:
        fleet = _Fleet(setting.seed)
        setting.tell("the clients connect")
        fleet.tell(range(ENDPOINTS))
        even = balance({each.name: fleet.open_at[each] for each in fleet.endpoints[:ENDPOINTS]}, CLIENTS * SUBSET)
        connections = sorted(fleet.open_at.values(), reverse=True)
        changes = range(1) if setting.quick else range(0, ENDPOINTS, ENDPOINTS // 3)
        went, came = [], []
        for number in changes:
            setting.tell(f"endpoint {number} goes and another comes")
            had = fleet.open_at[fleet.endpoints[number]]
            others = [each for each in range(ENDPOINTS) if each != number]
            went.append((had, *fleet.tell(others)))
            came.append(fleet.tell([*others, ENDPOINTS]))
            fleet.tell(range(ENDPOINTS))
        return _findings(even, connections, went, came, fleet.endpoints[ENDPOINTS])


class _Fleet:
    """The clients, and what connections they have: the connector of all their pools."""

    def __init__(self, seed: int) -> None:
        self.endpoints = [endpoint(number) for number in range(ENDPOINTS + 1)]
        self.open_at: collections.Counter[Endpoint] = collections.Counter()
        self.opened: list[Endpoint] = []
        self.closed: list[Endpoint] = []
        clock = FakeClock()
        self._pools = [
            Pool(
                POLICIES["random"](lambda: 0.0),
                clock=clock,
                balancing=Balancing(subset=SUBSET, identity=f"client-{seed}-{number}"),
                connector=self,
            )
            for number in range(CLIENTS)
        ]

    def tell(self, numbers: Sequence[int]) -> tuple[Sequence[Endpoint], Sequence[Endpoint]]:
        """All clients hear of these endpoints; returns where connections were opened and closed for it."""
        self.opened, self.closed = [], []
        snapshot = Snapshot(tuple(self.endpoints[number] for number in numbers))
        for pool in self._pools:
            pool.update(snapshot)
        return self.opened, self.closed

    def open(self, node: Node) -> bool:
        self.open_at[node.endpoint] += 1
        self.opened.append(node.endpoint)
        return True

    def close(self, node: Node) -> None:
        self.open_at[node.endpoint] -= 1
        self.closed.append(node.endpoint)


def _findings(
    even: Balance,
    connections: Sequence[int],
    went: Sequence[tuple[int, Sequence[Endpoint], Sequence[Endpoint]]],
    came: Sequence[tuple[Sequence[Endpoint], Sequence[Endpoint]]],
    new: Endpoint,
) -> Findings:
    # A client that takes the new one has to open it, and to give one up for it.
    needless_going = [len(opened) + len(closed) - 2 * had for had, opened, closed in went]
    needless_coming = [len(opened) + len(closed) - 2 * opened.count(new) for opened, closed in came]
    return Findings(
        Table(
            ("connections", "number"),
            [
                ("of all clients", CLIENTS * SUBSET),
                ("busiest endpoint's / mean", even.max_over_mean),
                ("idlest endpoint's / mean", connections[-1] * ENDPOINTS / (CLIENTS * SUBSET)),
                ("opened as one endpoint goes", max(len(opened) for _, opened, _ in went)),
                ("opened as one endpoint comes", max(len(opened) for opened, _ in came)),
                ("opened or closed beyond what that forces", sum(needless_going) + sum(needless_coming)),
            ],
        ),
        [
            Expectation("busiest endpoint's connections / mean", even.max_over_mean, 1.4),
            Expectation("connections moved beyond what an endpoint that goes forces", max(needless_going), 0),
            Expectation("connections moved beyond what an endpoint that comes forces", max(needless_coming), 0),
        ],
        Chart(
            "subsets",
            "Connections per endpoint, sorted: from a third above the mean to a quarter below it, most within a tenth.",
            "endpoints, the busiest first",
            "connections",
            [Line("subset=30", list(range(1, ENDPOINTS + 1)), list(connections))],
            level=CLIENTS * SUBSET / ENDPOINTS,
        ),
    )


SCENARIO = Subsets()
