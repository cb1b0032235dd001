"""The arms of a cell take turns, in short bursts, so that the machine's moods meet all of them alike."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext

from benchmarks.overheads.bursts import Burst
from benchmarks.overheads.client import WAYS, Client, Job, Kind, Protocol


@dataclass(frozen=True, slots=True)
class Cell:
    """Where arms are compared with each other: the kind of client, and how many threads or tasks call at once."""

    protocol: Protocol
    kind: Kind
    in_flight: int

    @property
    def arms(self) -> tuple[str, ...]:
        """Those that have a client of this kind; the first is what the others are compared with."""
        ways = WAYS[self.protocol].by_name
        return tuple(name for name, way in ways.items() if getattr(way, self.kind) is not None)

    def __str__(self) -> str:
        what = "thread" if self.kind == "sync" else "in flight"
        plural = "s" if self.kind == "sync" and self.in_flight > 1 else ""
        return f"{ {'grpc': 'gRPC', 'http': 'HTTP'}[self.protocol] } {self.kind}, {self.in_flight} {what}{plural}"


CELLS: Mapping[Protocol, tuple[Cell, ...]] = {
    "grpc": (
        Cell("grpc", "sync", 1),
        Cell("grpc", "sync", 8),
        Cell("grpc", "asyncio", 1),
        Cell("grpc", "asyncio", 32),
        Cell("grpc", "asyncio", 64),
    ),
    "http": (
        Cell("http", "sync", 1),
        Cell("http", "sync", 8),
        Cell("http", "asyncio", 1),
        Cell("http", "asyncio", 32),
        Cell("http", "asyncio", 100),
    ),
}
ENDPOINTS: Mapping[Protocol, int] = {"grpc": 3, "http": 10}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    sittings  how often the processes of a cell are started anew: two that do the same may differ by some percent for
              as long as they live
    rounds    the least and the most of each sitting: in a round each arm makes a burst, in an order of its own
    burst_s   about what a burst takes, as short as can be, since rounds pair best what is near in time
    cell_s    about what a cell takes, as far as the least number of rounds allows
    """

    sittings: int
    rounds: tuple[int, int]
    burst_s: float
    cell_s: float


FULL = Plan(sittings=3, rounds=(5, 20), burst_s=0.12, cell_s=40.0)
QUICK = Plan(sittings=1, rounds=(2, 2), burst_s=0.01, cell_s=0.0)


def measure(
    cell: Cell, plan: Plan, addresses: Sequence[str], processes: ForkServerContext, tell: Callable[[float], None]
) -> dict[str, list[Burst]]:
    """Each arm's bursts, one for each round; `tell` is told the part that is done. Raises ClientError."""
    bursts: dict[str, list[Burst]] = {arm: [] for arm in cell.arms}
    for sitting in range(plan.sittings):
        with ExitStack() as stack:
            jobs = [Job(cell.protocol, cell.kind, cell.in_flight, arm, tuple(addresses)) for arm in cell.arms]
            clients = [stack.enter_context(Client(job, processes)) for job in jobs]
            for client in clients:
                client.warm()
            counts = {client: _count(client, plan.burst_s) for client in clients}
            began, (least, most) = time.monotonic(), plan.rounds
            for made in range(most):
                over_s = time.monotonic() - began - plan.cell_s / plan.sittings
                if made >= least and over_s > 0:
                    break
                for client in random.sample(clients, len(clients)):
                    bursts[client.job.arm].append(client.burst(counts[client]))
                tell((sitting + (made + 1) / most) / plan.sittings)
    return bursts


def _count(client: Client, burst_s: float) -> int:
    """Calls that take about so long; at least one for each thread or task."""
    count = client.job.in_flight
    for share in (0.3, 1.0):
        count = max(client.job.in_flight, int(client.burst(count).throughput * burst_s * share))
    return count
