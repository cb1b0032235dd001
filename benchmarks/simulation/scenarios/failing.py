"""`failing`: one endpoint answers with errors, and at once."""

from __future__ import annotations

import functools

from benchmarks.simulation.findings import Chart, Expectation, Findings, Line, Table
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.scenarios import Scenario, Setting
from benchmarks.simulation.tally import between, percent, percent_over_time
from benchmarks.simulation.world import Traffic, World
from discovery.balancing import Balancing
from discovery.outliers import Outliers

BEGIN_S = 1.0
NOTICED_S = 1.0
USUAL, MANY = 10, 100
EJECTION = {
    "on": Balancing(),
    # Failures still count as load, which is the policy's own defence and no ejection.
    "off": Balancing(outliers=Outliers(consecutive=10**9, success_rate=0.0)),
}
DEFENDED = ("least_request", "peak_ewma")
"""Those that turn away from failures by themselves."""


class Failing(Scenario):
    title = "One endpoint of ten fails at once"
    about = """\
It answers each request with an error after 1 ms, a tenth of what work takes, and so always looks idle. The load is
70 %, and for `first` 7 %, which its one endpoint can bear; it is the failing one that all clients of `first` are
pinned to.

Ejection takes five failures in a row, of each client by itself. A hundred clients share the load of 2,800
requests/s, so each sees three failures a second of the endpoint: until all have ejected it, two seconds go by.
"""

    def play(self, setting: Setting) -> Findings:
        rows, expectations, lines = [], [], []
        arms = [("on", USUAL), ("off", USUAL)] if setting.quick else [("on", USUAL), ("on", MANY), ("off", USUAL)]
        for name in POLICIES:
            for ejection, clients in arms:
                setting.tell(f"{name}, ejection {ejection}, clients: {clients}")
                first, later, line = _play(setting, name, ejection, clients)
                rows.append((name, ejection, clients, first, later))
                if clients == USUAL and (ejection == "on" or name in DEFENDED):
                    expectations.append(
                        Expectation(f"% to the failing one after 1 s, {name} with ejection {ejection}", later, 2.0)
                    )
                if clients == USUAL and name in {"least_request", "round_robin"}:
                    lines.append(line)
        return Findings(
            Table(("policy", "ejection", "clients", "% in the 1st second", "% after it"), rows),
            expectations,
            Chart(
                "failing",
                "The failing endpoint's share falls to nearly nothing within half a second; with round_robin and no "
                "ejection it stays at a tenth.",
                "seconds since it began to fail",
                "% of requests that it got",
                lines,
                level=10.0,
            ),
        )


def _play(setting: Setting, name: str, ejection: str, clients: int) -> tuple[float, float, Line]:
    """What the failing endpoint got: percent in the first second, percent later, and over time."""
    seconds = 4.0 if setting.quick else 10.0
    world = World(f"{setting.seed} failing", (1.0,) * 10)
    failing = world.servers[0]
    for _ in range(clients):
        world.join(POLICIES[name], EJECTION[ejection])
    world.clock.later(BEGIN_S, functools.partial(setattr, failing, "failing", True))
    world.run(Traffic((0.07 if name == "first" else 0.7) * world.capacity_rps), BEGIN_S + NOTICED_S + seconds)
    noticed_s = BEGIN_S + NOTICED_S
    return (
        percent(between(world.requests, BEGIN_S, noticed_s), failing),
        percent(between(world.requests, noticed_s, noticed_s + seconds), failing),
        percent_over_time(f"{name}, ejection {ejection}", world.requests, failing, BEGIN_S, BEGIN_S + 3.0, 0.1),
    )


SCENARIO = Failing()
