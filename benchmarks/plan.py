"""What is to be run, in which order, and how long it will take. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from random import Random

from benchmarks.arm import Arm, Client, Mode, Wire
from benchmarks.arrivals import Arrivals
from benchmarks.scenarios import Scenario

FIRST_STRATEGIES = ("kubernetes", "service-dns", "static")
FIRST_SCENARIOS = ("steady", "scale-up", "rolling-restart")
QUICK_SCENARIOS = ("steady", "scale-up")
"""What a reader needs first: the three ways to find a server, and what every Deployment goes through."""

MAX_REQUESTS = 500_000
"""Of a client in a cluster: some 4 MiB of log, and a kubelet keeps 10 MiB (containerLogMaxSize)."""

CALM = "steady"

# Measured on two processors: a client's start and end; starting pods, some at once, and stopping them; a cluster.
_CLIENT_S = 0.7
_PODS_S = 0.6
_POD_S = 0.12
_CLUSTER_S = 3.0
_IN_CLUSTER_S = 12.0


@dataclass(frozen=True, slots=True)
class InCluster:
    """A real cluster: a context of a kubeconfig, the usual ones if None, and the image that its pods run.

    pending_s  how long a pod may lack a node
    dry_run    print what would be applied, and the rights that it takes
    """

    kubeconfig: Path | None
    context: str | None
    image: str
    pending_s: float
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class LocalPods:
    """An API server that is not the lab's own: that of a context of a kubeconfig, the usual ones if None."""

    kubeconfig: Path | None
    context: str | None


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, checked.

    strategies        names, or targets
    replicas          pods of the Service at the start
    rate_rps          requests per second that are offered, whatever the answers
    warmup_s          requests before the measured ones, which open the connections
    duration_s        how long measured requests are sent
    quick             pods shared by all arms, and scenarios with events for asyncio alone
    arrivals          how requests are spread in time
    client_processes  that share the load of an arm
    cluster           the real one in which it runs, None for the lab
    local_pods        the API server on which the lab's pods are, None for the lab's own
    brief             scenarios with events for asyncio alone, with connections kept, and one repeat less
    json_lines        a line of JSON for each finished run is all that goes to stdout
    resume            what `output` holds is kept, and what is missing is run
    """

    strategies: tuple[str, ...]
    wires: tuple[Wire, ...]
    clients: tuple[Client, ...]
    scenarios: tuple[str, ...]
    policy: str
    replicas: int
    rate_rps: float
    warmup_s: float
    duration_s: float
    repeats: int
    output: Path
    quick: bool
    arrivals: Arrivals = "constant"
    client_processes: int = 1
    cluster: InCluster | None = None
    local_pods: LocalPods | None = None
    brief: bool = False
    json_lines: bool = field(default=False, compare=False)
    resume: bool = field(default=False, compare=False)


def arms(
    options: Options,
    modes: Callable[[str, Wire], tuple[Mode, ...]],
    picks: Callable[[str], bool],
) -> tuple[Arm, ...]:
    """Every arm in the order in which it runs.

    modes  the connection modes of a strategy over a protocol
    picks  whether a strategy's client picks by a policy

    Repeats are outermost, so that a noisy minute hits all arms alike and not all repeats of one. Each has an order of
    its own, the same whenever it is run, so that no arm always has the same one before it and its leavings.
    """
    ordered: list[Arm] = []
    last: list[Arm] = []
    for repeat in range(options.repeats):
        planned = [
            Arm(scenario, strategy, wire, client, mode, options.policy if picks(strategy) else None, repeat)
            for scenario in options.scenarios
            if repeat < _repeats(options, scenario)
            for strategy in options.strategies
            for wire in options.wires
            for client in _clients(options, scenario)
            for mode in _modes(options, scenario, modes(strategy, wire))
        ]
        last = _reordered(planned, last) if repeat else planned
        ordered += last
    return tuple(ordered)


def _reordered(planned: Sequence[Arm], before: Sequence[Arm]) -> list[Arm]:
    """By chance, but so that no arm follows the one that it followed before."""
    random = Random(f"order of repeat {planned[0].repeat}")
    order = list(planned)
    neighbours = {(one.key, other.key) for one, other in pairwise(before)}
    while True:
        random.shuffle(order)
        if neighbours.isdisjoint((one.key, other.key) for one, other in pairwise(order)):
            return order


def _repeats(options: Options, scenario: str) -> int:
    return max(1, options.repeats - 1) if options.brief and scenario != CALM else options.repeats


def _clients(options: Options, scenario: str) -> tuple[Client, ...]:
    if (options.quick or options.brief) and scenario != CALM and "asyncio" in options.clients:
        return ("asyncio",)
    return options.clients


def _modes(options: Options, scenario: str, modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
    if options.brief and scenario != CALM and "kept" in modes:
        return ("kept",)
    return modes


def seed(arm: Arm) -> str:
    """Decides when the requests of this arm in this repeat are due, where chance does."""
    return f"{arm}, {arm.repeat}"


def of_scenario(options: Options, scenario: Scenario) -> Options:
    """The options with what the scenario needs: it may ask for a lower rate, and for more time."""
    return replace(
        options,
        rate_rps=min(options.rate_rps, scenario.rate_rps or options.rate_rps),
        duration_s=max(options.duration_s, (scenario.in_cluster_s or 0.0) if options.cluster else scenario.least_s),
    )


def expected_s(options: Options, scenario: Scenario) -> float:
    """About how long an arm takes."""
    given = of_scenario(options, scenario)
    if options.cluster:
        return given.warmup_s + given.duration_s + _IN_CLUSTER_S if scenario.in_cluster_s else 0.0
    is_shared = options.quick and not scenario.spoils
    start_s = 0.0 if is_shared else _PODS_S + _POD_S * (options.replicas + scenario.spare_pods)
    return given.warmup_s + given.duration_s + _CLIENT_S + start_s


def expected_total_s(options: Options, planned: Sequence[Arm], scenario: Callable[[str], Scenario]) -> float:
    """About how long all of it takes."""
    return _CLUSTER_S + sum(expected_s(options, scenario(arm.scenario)) for arm in planned)
