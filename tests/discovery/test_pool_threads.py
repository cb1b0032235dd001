"""A pool hammered by threads, under each policy: the counts are exact, and nobody holds what is closed."""

from __future__ import annotations

import collections
import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from discovery import registry
from discovery.balancing import Balancing
from discovery.errors import DiscoveryError
from discovery.model import Outcome, Snapshot
from discovery.node import Lease, Node
from discovery.pool import Pool
from discovery.testing import FakeClock
from tests.discovery.pools import endpoints

THREADS = 8
ENDPOINTS = endpoints(12)
UPDATES = 40
PICKS = 25
"""At least so many between two updates."""
MOST_HELD = 3


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Hammered:
    """A pool, and what its threads have counted."""

    def __init__(self, policy: str, balancing: Balancing) -> None:
        self.clock = FakeClock()
        self.pool = Pool(registry.policy(policy), clock=self.clock, balancing=balancing, connector=self)
        self.opened: list[Node] = []
        self.closed = collections.Counter[Node]()
        self.tried = threading.Semaphore(0)
        self.over = threading.Event()
        self.pool.update(Snapshot(tuple(ENDPOINTS)))

    def open(self, node: Node) -> bool:
        self.opened.append(node)
        return True

    def close(self, node: Node) -> None:
        self.closed[node] += 1

    def work(self, seed: int) -> collections.Counter[tuple[Node, Outcome]]:
        """Pick and end, with a few requests in flight, until it is over; how they ended."""
        chance, ended = random.Random(seed), collections.Counter[tuple[Node, Outcome]]()
        held: list[Lease] = []
        while not self.over.is_set() or held:
            if not self.over.is_set():
                try:
                    lease = self.pool.pick(chance.choice("abcdef"), chance.choice([(), ENDPOINTS[:2]]))
                except DiscoveryError:
                    lease = None  # empty or full at the moment
                self.tried.release()
                if lease is not None:
                    assert lease in lease.node.leases
                    held.append(lease)
            if len(held) > MOST_HELD or self.over.is_set() or chance.random() < 0.3:
                for _ in range(min(len(held), 2)):
                    lease = held.pop(chance.randrange(len(held)))
                    assert not self.closed[lease.node], f"closed while it was held: {lease.node}"
                    outcome = chance.choice(list(Outcome))
                    lease.done(outcome)
                    lease.done(Outcome.FAILURE)
                    ended[lease.node, outcome] += 1
        return ended

    def let_them_pick(self) -> None:
        """Wait for so many picks from now on."""
        self.tried = threading.Semaphore(0)
        for _ in range(PICKS):
            self.tried.acquire()

    def change(self) -> None:
        """Sets that come and go, checks, reports, and time."""
        chance = random.Random(0)
        for turn in range(UPDATES):
            self.let_them_pick()
            self.pool.update(Snapshot(tuple(chance.sample(ENDPOINTS, turn % (len(ENDPOINTS) + 1)))))
            for node in self.pool.nodes[:2]:
                node.report(chance.random() < 0.8, "refused")
                node.report_check(chance.random() < 0.8)
            self.clock.advance(0.3)


@pytest.mark.parametrize(
    "balancing", [Balancing(), Balancing(max_in_flight=3, slow_start_s=2.0)], ids=["usual", "limited"]
)
@pytest.mark.parametrize("policy", sorted(registry.POLICIES))
def test_threads_that_pick_while_others_change_the_set(policy: str, balancing: Balancing) -> None:
    hammered = Hammered(policy, balancing)
    with ThreadPoolExecutor(THREADS) as threads:
        working = [threads.submit(hammered.work, seed) for seed in range(THREADS)]
        try:
            hammered.change()
        finally:
            hammered.over.set()
        ended = sum((each.result() for each in working), collections.Counter())
    assert len({node for node, _ in ended}) > len(ENDPOINTS)
    for node in hammered.opened:
        assert not node.leases
        assert node.failures == ended[node, Outcome.FAILURE]
        assert node.successes == ended[node, Outcome.SUCCESS]
    hammered.pool.update(Snapshot(()))
    assert hammered.closed == dict.fromkeys(hammered.opened, 1)
    _everything_comes_back(hammered)


def _everything_comes_back(hammered: Hammered) -> None:
    """What the threads have left behind does not keep an endpoint out."""
    hammered.pool.update(Snapshot(tuple(ENDPOINTS)))
    with ThreadPoolExecutor(THREADS) as threads:
        hammered.over.clear()
        working = [threads.submit(hammered.work, seed) for seed in range(THREADS)]
        for _ in range(8):
            hammered.let_them_pick()
            hammered.clock.advance(0.5)
        hammered.over.set()
        for each in working:
            each.result()
    for _ in range(3):
        hammered.clock.advance(60.0)
        for _ in range(50):
            lease = hammered.pool.pick()
            assert lease is not None
            lease.done()
    assert [node for node in hammered.pool.nodes if node.ejected or node.penalty] == []
