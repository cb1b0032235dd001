"""Many requests while endpoints come and go: nothing is lost, and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from discovery import Balancing, Endpoint
from discovery.http import AsyncTransport, Transport
from discovery.testing import ManualResolver

ROOT = Path(__file__).parents[2]
CHANGE_S = 0.05
WORKERS = 20
BALANCING = Balancing(drain_s=2.0)
"""The timer of a drain lasts so long, and is not to be taken for a leak."""

AMOUNTS = [2_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]


@pytest.fixture(scope="module")
def endpoints() -> Iterator[tuple[Endpoint, ...]]:
    command = [sys.executable, "-m", "tests.discovery.fast_server", "10"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield tuple(Endpoint("127.0.0.1", int(port)) for port in server.stdout.readline().split())


@dataclass(frozen=True, slots=True)
class Held:
    """What the process has at one moment."""

    objects: int
    descriptors: int
    threads: int
    tasks: int
    resident_mb: float

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        resident = 0.0
        if (status := Path("/proc/self/statm")).exists():
            resident = int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        return cls(len(gc.get_objects()), descriptors(), threading.active_count(), len(asyncio.all_tasks()), resident)


def descriptors() -> int:
    """How many files are open, where the system tells."""
    folders = (Path(name) for name in ("/proc/self/fd", "/dev/fd"))
    return next((len(list(each.iterdir())) for each in folders if each.exists()), 0)


@asynccontextmanager
async def churning(resolver: ManualResolver, endpoints: tuple[Endpoint, ...]) -> AsyncIterator[list[int]]:
    """While the block runs, have another half of the endpoints every 50 ms; yields how often so far."""
    changes = [0]

    async def change() -> None:
        chance = random.Random(7)
        while True:
            resolver.update(*chance.sample(endpoints, len(endpoints) // 2))
            changes[0] += 1
            await asyncio.sleep(CHANGE_S)

    changing = asyncio.create_task(change())
    try:
        yield changes
    finally:
        changing.cancel()
        await asyncio.wait([changing])


def assert_level(amount: int, before: Held, middle: Held, after: Held, closed: Held) -> None:
    """Nothing grows with the number of requests, and nothing stays when the transport is closed."""
    print(f"\n{amount} requests", before, middle, after, closed, sep="\n ")
    # Timers of drains come and go by the hundred; an object for each request would be a thousand.
    assert after.objects - middle.objects < 600 + amount / 100
    assert after.descriptors - middle.descriptors < 10 * WORKERS
    assert after.threads == middle.threads
    assert after.tasks - middle.tasks < WORKERS
    assert closed.descriptors <= before.descriptors
    assert closed.tasks == before.tasks
    if amount >= 100_000:
        assert after.resident_mb - middle.resident_mb < 10


@pytest.mark.parametrize("amount", AMOUNTS)
async def test_asyncio(endpoints: tuple[Endpoint, ...], amount: int) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))

    async def send(count: int) -> None:
        todo = iter(range(count))

        async def work() -> None:
            for _ in todo:
                assert (await client.get("/")).text == "ok"

        await asyncio.gather(*(work() for _ in range(WORKERS)))

    resolver = ManualResolver(*endpoints)
    transport = AsyncTransport(resolver=resolver, balancing=BALANCING)
    async with httpx.AsyncClient(transport=transport, base_url="http://orders", timeout=30) as client:
        await client.get("/")
        before = Held.now()
        async with churning(resolver, endpoints) as changes:
            await send(amount // 2)
            middle = Held.now()
            await send(amount // 2)
            after = Held.now()
        assert changes[0] > 10
        assert all(each.failures == 0 for each in transport._balancer.snapshot().endpoints)
    await asyncio.sleep(0)
    assert_level(amount, before, middle, after, Held.now())
    assert complaints == []


@pytest.mark.parametrize("amount", AMOUNTS)
async def test_sync(endpoints: tuple[Endpoint, ...], amount: int) -> None:
    def send(count: int) -> None:
        todo = iter(range(count))

        def work() -> None:
            for _ in todo:
                assert client.get("/").text == "ok"

        with ThreadPoolExecutor(WORKERS) as threads:
            for worker in [threads.submit(work) for _ in range(WORKERS)]:
                worker.result()

    resolver = ManualResolver(*endpoints)
    transport = Transport(resolver=resolver, balancing=BALANCING)
    with httpx.Client(transport=transport, base_url="http://orders", timeout=30) as client:
        await asyncio.to_thread(send, 1)
        before = Held.now()
        async with churning(resolver, endpoints) as changes:
            await asyncio.to_thread(send, amount // 2)
            middle = Held.now()
            await asyncio.to_thread(send, amount // 2)
            after = Held.now()
        assert changes[0] > 10
        assert all(each.failures == 0 for each in transport._balancer.snapshot().endpoints)
    assert_level(amount, before, middle, after, Held.now())
