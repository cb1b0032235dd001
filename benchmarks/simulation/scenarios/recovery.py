"""`recovery`: an endpoint fails for a while, and then does not."""

from __future__ import annotations

import functools

from benchmarks.simulation.findings import Chart, Expectation, Findings, Line, Table
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.tally import percent_over_time
from benchmarks.simulation.world import Traffic, World

BEGIN_S = 1.0
STEP_S = 1.0
LOAD = 0.2
CLIENTS = (1, 10)
FAIR = 0.8
"""Of its tenth of the requests, in one of the steps, each of which has 800 requests."""


class Recovery(Scenario):
    title = "An endpoint fails for a while and recovers"
    about = """\
One endpoint of ten fails everything for 1 s or 10 s. How long after that until it has its share again: the first
second in which it gets at least 80 % of a tenth? The load is 20 %.

Ejections last longer each time, twice as long up to a minute, less up to a half by chance. So the wait after a
failure is at most about as long as the failure, and with `least_request` the 5 s for which it counts failures as
load, as with `peak_ewma`.
"""

    def play(self, setting: Setting) -> Findings:
        rows, expectations, lines = [], [], []
        for name in ("round_robin", "least_request", "peak_ewma"):
            for failed_s in (1.0, 10.0):
                for clients in CLIENTS[-1:] if setting.quick else CLIENTS:
                    setting.tell(f"{name}, {failed_s:g} s, clients: {clients}")
                    line = _play(setting, name, failed_s, clients)
                    back_s = _back_s(line)
                    rows.append((name, failed_s, clients, back_s))
                    expectations.append(
                        Expectation(
                            f"seconds until the share is back, {name}, failed for {failed_s:g} s, clients: {clients}",
                            back_s,
                            failed_s + 10.0,
                        )
                    )
                    if failed_s == 10.0 and clients == 10:
                        lines.append(line)
        return Findings(
            Table(("policy", "failed for s", "clients", "back after s"), rows),
            expectations,
            Chart(
                "recovery",
                "After a failure of 10 s each policy gives the endpoint its share within seconds.",
                "seconds since it recovered",
                "% of requests that it got",
                lines,
                level=10.0,
            ),
        )


def _play(setting: Setting, name: str, failed_s: float, clients: int) -> Line:
    """What the endpoint got over time, from its recovery on."""
    watched_s = failed_s + 12.0
    world = World(f"{setting.seed} recovery", (1.0,) * 10)
    failing = world.servers[0]
    for _ in range(clients):
        world.join(POLICIES[name])
    well_s = BEGIN_S + failed_s
    world.clock.later(BEGIN_S, functools.partial(setattr, failing, "failing", True))
    world.clock.later(well_s, functools.partial(setattr, failing, "failing", False))
    world.run(Traffic(LOAD * world.capacity_rps), well_s + watched_s)
    return percent_over_time(name, world.requests, failing, well_s, well_s + watched_s, STEP_S)


def _back_s(line: Line) -> float:
    """When the first step ended in which the share was fair; the end of the last if there was none."""
    fair = (at_s + STEP_S / 2 for at_s, percent in zip(line.xs, line.ys, strict=True) if percent >= FAIR * 10)
    return next(fair, line.xs[-1] + STEP_S / 2)


SCENARIO = Recovery()
