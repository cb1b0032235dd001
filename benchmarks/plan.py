"""What is to be run, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arm import Arm, Client, Mode, Wire


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, checked.

    strategies  names, or targets
    replicas    pods of the Service at the start
    rate_rps    requests per second that are offered, whatever the answers
    warmup_s    requests before the measured ones, which open the connections
    duration_s  how long measured requests are sent
    quick       pods shared by all arms, and scale-up for asyncio alone
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


def arms(
    options: Options,
    modes: Callable[[str, Wire], tuple[Mode, ...]],
    picks: Callable[[str], bool],
) -> tuple[Arm, ...]:
    """Every arm in the order in which it runs.

    modes  the connection modes of a strategy over a protocol
    picks  whether a strategy's client picks by a policy

    Repeats are outermost, so that a noisy minute hits all arms alike and not all repeats of one.
    """
    return tuple(
        Arm(scenario, strategy, wire, client, mode, options.policy if picks(strategy) else None, repeat)
        for repeat in range(options.repeats)
        for scenario in options.scenarios
        for strategy in options.strategies
        for wire in options.wires
        for client in _clients(options, scenario)
        for mode in modes(strategy, wire)
    )


def _clients(options: Options, scenario: str) -> tuple[Client, ...]:
    if options.quick and scenario != "steady" and "asyncio" in options.clients:
        return ("asyncio",)
    return options.clients
