"""SIGKILL of a backend under load: what it costs our channel, and what it costs grpc's own round robin beside it."""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import random
import statistics
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

import discovery.grpc
from tests.discovery.counting_server import METHOD

KILLS = 20
RATE = 100.0  # calls a second of each arm
WORK_S = 0.03
ROUND_ROBIN = [("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}))]


class Backend:
    """A counting server that can be killed, and comes back on its port."""

    def __init__(self, notes: Path) -> None:
        self.port = 0
        self._notes = notes
        self._process: Process | None = None

    async def start(self) -> None:
        command = ["-m", "tests.discovery.counting_server", str(self.port), str(self._notes), str(WORK_S)]
        self._process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE)
        assert self._process.stdout is not None
        self.port = int(await self._process.stdout.readline())

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()


class Arm:
    """A channel, and what came of the calls on it, kill by kill."""

    def __init__(self, name: str, channel: aio.Channel) -> None:
        self.name = name
        self.errors = [0] * KILLS
        self.calls = 0
        self.kill = 0
        self._do: Any = channel.unary_unary(METHOD, None, None)
        self._numbers = itertools.count()

    async def call(self) -> None:
        self.calls += 1
        kill = self.kill
        try:
            await self._do(f"{self.name} {next(self._numbers)}".encode(), timeout=10)
        except grpc.RpcError:
            self.errors[kill] += 1


@asynccontextmanager
async def loaded(arms: list[Arm]) -> AsyncIterator[None]:
    """While the block runs, each arm calls at its rate, whatever becomes of the calls before."""
    loop, calls, over = asyncio.get_running_loop(), set[asyncio.Task[None]](), False

    async def offer() -> None:
        begin = loop.time()
        for number in itertools.count():
            await asyncio.sleep(begin + number / RATE - loop.time())
            if over:
                return
            for arm in arms:
                call = asyncio.create_task(arm.call())
                calls.add(call)
                call.add_done_callback(calls.discard)

    offering = asyncio.create_task(offer())
    try:
        yield
    finally:
        over = True
        await offering
        await asyncio.gather(*calls)


def upper_bound(errors: list[int], of: Callable[[list[int]], float] = statistics.fmean) -> float:
    """The upper 95 % bound of their mean, by bootstrap."""
    chance = random.Random(1)
    means = sorted(of(chance.choices(errors, k=len(errors))) for _ in range(2000))
    return means[int(0.95 * len(means))]


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_a_kill_costs_no_more_than_with_grpcs_own_round_robin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "notes"
    backends = [Backend(notes) for _ in range(3)]
    await asyncio.gather(*(each.start() for each in backends))
    addresses = ",".join(f"127.0.0.1:{each.port}" for each in backends)
    async with AsyncExitStack() as stack:

        async def arm(name: str, channel: aio.Channel) -> Arm:
            return Arm(name, await stack.enter_async_context(channel))

        make = discovery.grpc.aio.insecure_channel
        once = await arm("once", make(f"static:///{addresses}", policy="round_robin"))
        again = await arm("again", make(f"static:///{addresses}", policy="round_robin", idempotent={METHOD}))
        native = await arm("native", aio.insecure_channel(f"ipv4:{addresses}", ROUND_ROBIN))
        arms = [once, again, native]
        await asyncio.gather(*(each.call() for each in arms for _ in range(10)))
        async with loaded(arms):
            for kill in range(KILLS):
                for each in arms:
                    each.kill = kill
                await backends[kill % 3].kill()
                await asyncio.sleep(0.7)  # as long as it takes to replace a pod, at best
                await backends[kill % 3].start()
                await asyncio.sleep(1.5)  # all clients have it back: grpc's own backoff begins at one second
    await asyncio.gather(*(each.kill() for each in backends))

    executed = collections.Counter(notes.read_text().splitlines())
    twice = {each.name: sum(executed[line] > 1 for line in executed if line.startswith(each.name)) for each in arms}
    ratio = upper_bound(once.errors) / statistics.fmean(native.errors)
    with capsys.disabled():
        print()
        for each in arms:
            mean = statistics.fmean(each.errors)
            print(f"{each.name:8}{mean:6.2f} errors a kill of {each.calls} calls, executed twice: {twice[each.name]}")
        print(f"upper 95 % bound of ours to native's mean: {ratio:.2f}")
    assert sum(again.errors) == 0
    assert twice["once"] == 0
    assert ratio <= 1.25
