"""What is measured: blocks of picks, and changes, that take their turns with those they are compared to."""

from __future__ import annotations

import functools
import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from discovery import registry
from discovery.balancing import Balancing
from discovery.model import Endpoint, Snapshot
from discovery.node import Lease, Node
from discovery.pool import Pool
from discovery.runtime import Clock

SIZES = (3, 100, 10_000)
MANY = SIZES[-1]
PICKS = MANY
"""In a block: once round the largest set, more than a CPU's own caches hold."""
THREADS = 8
THREAD_PICKS = PICKS // 4
"""Of each thread: together they take longer than a thread may keep the interpreter for itself (5 ms)."""
IN_SLICE = 100
"""Endpoints of an EndpointSlice, all of which come anew when one changes."""
BURST = 1_000


class Block(NamedTuple):
    """Something to be measured again and again; `seconds` runs it once, and is what a pick or change of it took."""

    name: str
    seconds: Callable[[], float]


class Change(NamedTuple):
    """Of one endpoint among many; `most_s` is its target."""

    name: str
    most_s: float | None
    balancing: Balancing = Balancing()
    policy: str = "least_request"


CHANGES = (
    Change(f"one of {MANY} endpoints is replaced", 0.01),
    Change(f"one of {MANY} endpoints is replaced, prefer_zone", 0.01, Balancing(prefer_zone=True, zone="zone-0")),
    Change(
        f"one of {MANY} endpoints is replaced, prefer_zone, subset=30",
        0.01,
        Balancing(prefer_zone=True, zone="zone-0", subset=30),
    ),
    Change(f"one of {MANY} endpoints is replaced, ring_hash", None, policy="ring_hash"),
)
REPORTS = f"{BURST} endpoints become ready one by one"


def picks(policy: str, size: int, *, threads: int = 1, busy: bool = False) -> str:
    """The name of a block of picks; `busy` is with a request in flight at each endpoint all the time."""
    return f"{policy}{', busy' if busy else ''}, {size} endpoints{f', {threads} threads' if threads > 1 else ''}"


def names() -> list[str]:
    """Of all blocks."""
    return [
        *(
            picks(policy, size, threads=threads, busy=busy)
            for policy, busy in policies()
            for size in SIZES
            for threads in (1, THREADS)
        ),
        *(change.name for change in CHANGES),
        REPORTS,
    ]


def measured(rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Each block's name, and its seconds in so many rounds after one that does not count."""
    groups: list[Callable[[], list[Block]]] = [
        *(functools.partial(_picking, policy, busy=busy) for policy, busy in policies()),
        *(functools.partial(_changing, change) for change in CHANGES),
        lambda: [Block(REPORTS, _report_ready)],
    ]
    for group in groups:
        blocks = group()
        gc.collect()
        seconds = [[block.seconds() for block in blocks] for _ in range(rounds + 1)][1:]
        yield from ((block.name, list(each)) for block, each in zip(blocks, zip(*seconds, strict=True), strict=True))


def policies() -> Iterator[tuple[str, bool]]:
    """All of them, idle; and busy the one that looks at a second endpoint only then."""
    for policy in registry.POLICIES:
        yield policy, False
        if policy == "least_request":
            yield policy, True


def _picking(policy: str, *, busy: bool) -> list[Block]:
    keys = [f"key-{number}" if policy == "ring_hash" else None for number in range(PICKS)]
    blocks = []
    for size in SIZES:
        pool = Pool(registry.policy(policy), clock=Clock())
        pool.update(Snapshot(_endpoints(size)))
        if busy:
            for node in pool.nodes:
                Lease().begin(node)
        for threads, pick in ((1, _pick), (THREADS, _pick_in_threads)):
            blocks.append(Block(picks(policy, size, threads=threads, busy=busy), functools.partial(pick, pool, keys)))
    return blocks


def _pick(pool: Pool, keys: Sequence[str | None]) -> float:
    pick = pool.pick
    # Of this thread alone, as others want the CPU too; nothing here waits.
    began = time.thread_time()
    for key in keys:
        pick(key).done()  # type: ignore[union-attr]
    return (time.thread_time() - began) / len(keys)


def _pick_in_threads(pool: Pool, keys: Sequence[str | None]) -> float:
    start = threading.Barrier(THREADS + 1)

    def work() -> None:
        pick, ours = pool.pick, keys[:THREAD_PICKS]
        start.wait()
        for key in ours:
            pick(key).done()  # type: ignore[union-attr]

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    start.wait()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - began) / (THREADS * THREAD_PICKS)


def _changing(change: Change) -> list[Block]:
    pool = Pool(registry.policy(change.policy), clock=Clock(), balancing=change.balancing)
    there, anew = _endpoints(MANY), _endpoints(MANY + 1)
    # What has not changed is the same object, but for those of the slice, which came anew.
    replaced = (*there[:-IN_SLICE], *anew[-IN_SLICE - 1 : -2], anew[-1])
    turns = itertools.cycle((Snapshot(there), Snapshot(replaced)))
    pool.update(next(turns))

    def seconds() -> float:
        snapshot = next(turns)
        began = time.thread_time()
        pool.update(snapshot)
        return time.thread_time() - began

    return [Block(change.name, seconds)]


def _report_ready() -> float:
    connecting = _Connecting()
    pool = Pool(registry.policy("least_request"), clock=Clock(), connector=connecting)
    pool.update(Snapshot(_endpoints(BURST)))
    began = time.thread_time()
    for node in connecting.nodes:
        node.report(True)
    return time.thread_time() - began


class _Connecting:
    """A connector whose endpoints are not ready before they say so."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def open(self, node: Node) -> bool:
        self.nodes.append(node)
        return False

    def close(self, node: Node) -> None:
        """There is nothing to close."""


def _endpoints(count: int) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(
            f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            8080,
            name=f"orders-{number}",
            zone=f"zone-{number % 3}",
            node=f"node-{number % 100}",
        )
        for number in range(count)
    )
