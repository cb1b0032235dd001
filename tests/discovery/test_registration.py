"""Providers that register themselves in a real etcd, and how they leave it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import discovery
from benchmarks.lab.etcd import Etcd as Server
from discovery import Closed, Endpoint, InvalidTarget, Registration, Unresolved, registry
from discovery.testing._resolver_contract import Sets, addresses_of, following
from tests.discovery.etcds import NO_ETCD, Door, Keys

pytestmark = pytest.mark.skipif(NO_ETCD is not None, reason=str(NO_ETCD))

ONE, TWO = "10.0.0.1:80", "10.0.0.2:80"
Run = Callable[..., Awaitable[Process]]
_numbers = itertools.count()


@pytest.fixture
def target(etcd: str) -> str:
    return f"etcd://{etcd}/registered-{next(_numbers)}"


async def registered(target: str) -> list[str]:
    """Those that are, now."""
    async with following(registry.resolver(target)) as sets:
        return addresses_of(await sets.next())


async def until(sets: Sets, addresses: list[str]) -> None:
    """Wait for the next set that is this one."""
    while addresses_of(await sets.next()) != addresses:
        pass


async def test_a_provider_is_registered_while_its_block_lasts(target: str) -> None:
    endpoint = Endpoint("10.0.0.1", 80, name="orders-0", weight=3, zone="zone-a", node="node-0")
    async with following(registry.resolver(target)) as sets:
        assert (await sets.next()).endpoints == ()
        async with discovery.register(target, endpoint) as registration:
            assert (await sets.next()).endpoints == (endpoint,)
            await registration.wait_async(30)
            assert registration.registered
        assert (await sets.next()).endpoints == ()
        assert not registration.registered


async def test_the_same_in_a_program_without_a_loop(target: str) -> None:
    def serve() -> list[str]:
        with discovery.register(target, ONE) as registration:
            registration.wait(30)
            return asyncio.run(registered(target))

    assert await asyncio.to_thread(serve) == [ONE]
    assert await registered(target) == []


async def test_nothing_starts_at_construction_and_start_and_close_may_be_repeated(target: str) -> None:
    registration = Registration(target, ONE)
    with pytest.raises(Closed, match="is not started"):
        registration.wait(30)
    assert registration.start() is registration.start()
    await registration.wait_async(30)
    registration.close()
    await registration.aclose()
    assert await registered(target) == []
    with pytest.raises(Closed, match="a new one is needed"):
        registration.start()


async def test_a_lost_lease_is_answered_with_a_new_registration(etcd: str, target: str) -> None:
    async with following(registry.resolver(target)) as sets, discovery.register(target, ONE, ttl_s=2):
        await until(sets, [ONE])
        await Keys(etcd).revoke_all()
        await until(sets, [ONE])


async def test_an_etcd_that_has_lost_its_data_is_told_again(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    async with Server(tmp_path / "first") as server:
        target = f"etcd://{server.address}/orders"
        async with discovery.register(target, ONE, ttl_s=2) as registration:
            await registration.wait_async(30)
            await server.kill()
            async with Server(tmp_path / "second", server.port), following(registry.resolver(target)) as sets:
                await sets.until([ONE])


async def test_a_registry_that_is_away_keeps_nobody_from_serving(etcd: str, target: str) -> None:
    door = Door(etcd)
    async with door.opened():
        await door.close()
        through = target.replace(etcd, door.address)
        async with discovery.register(through, ONE, ttl_s=2) as registration:
            while registration.error is None:
                with pytest.raises(Unresolved, match="not registered within"):
                    await registration.wait_async(0.01)
            with pytest.raises(Unresolved, match=door.address):
                registration.wait(0)
            await door.open()
            await registration.wait_async(60)
            assert await registered(target) == [ONE]


async def test_two_processes_may_register_the_same_address_and_one_may_leave(target: str) -> None:
    async with following(registry.resolver(target)) as sets, discovery.register(target, ONE) as first:
        await first.wait_async(30)
        async with discovery.register(target, ONE) as second:
            await second.wait_async(30)
        await until(sets, [ONE])
        async with discovery.register(target, TWO):
            while (found := addresses_of(await sets.next())) != [ONE, TWO]:
                assert found == [ONE], "the end of one is not that of the other"


async def test_a_close_does_not_wait_for_an_etcd_that_is_frozen(tmp_path: Path) -> None:
    async with Server(tmp_path) as server:
        registration = discovery.register(f"etcd://{server.address}/orders", ONE)
        await registration.wait_async(30)
        server.freeze()
        await registration.aclose()
        assert not registration.registered


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """Start a program with arguments; returns when it has printed a line."""
    async with AsyncExitStack() as stack:

        async def started(program: str, *arguments: str) -> Process:
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, *arguments, stdout=PIPE)

            async def end() -> None:
                if process.returncode is None:
                    process.kill()
                await process.wait()

            stack.push_async_callback(end)
            assert process.stdout is not None
            assert await process.stdout.readline() == b"registered\n"
            return process

        yield started


BEGIN = """
import os, signal, sys, threading, discovery
registration = discovery.register(sys.argv[1], "10.0.0.1:80", ttl_s=600)
registration.wait(60)
print("registered", flush=True)
"""
WAIT = """
threading.Event().wait()
"""


async def test_sigterm_deregisters_where_nobody_handles_it_and_ends_the_process_as_ever(run: Run, target: str) -> None:
    process = await run(BEGIN + WAIT, target)
    assert await registered(target) == [ONE]
    process.terminate()
    assert await process.wait() == -signal.SIGTERM
    assert await registered(target) == []


async def test_a_handler_of_the_program_stays_its_own(run: Run, target: str) -> None:
    handler = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    for line in ("registration = ", "registration.wait"):  # before and after it is started
        process = await run(BEGIN.replace(line, handler + line) + WAIT, target)
        process.terminate()
        assert await process.wait() == 7
        assert await registered(target) == [], "the exit deregisters"


async def test_the_end_of_the_program_deregisters_though_nobody_closes(run: Run, target: str) -> None:
    process = await run(BEGIN, target.replace("127.0.0.1", "localhost"))
    assert await process.wait() == 0
    assert await registered(target) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
async def test_a_forked_child_neither_keeps_nor_ends_the_registration_of_its_parent(run: Run, target: str) -> None:
    program = """
child = os.fork()
if not child:
    assert not registration.registered
    registration.close()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
child = os.fork()
if not child:
    registration.start().wait(60)
    os.write(1, b"child\\n")
    os.close(1)
    threading.Event().wait()
print(child, flush=True)
threading.Event().wait()
"""
    process = await run(BEGIN + program, target)
    assert process.stdout is not None
    lines = {await process.stdout.readline(), await process.stdout.readline()}
    assert b"child\n" in lines
    (child,) = (int(line) for line in lines - {b"child\n"})
    try:
        async with following(registry.resolver(target)) as sets:
            await until(sets, [ONE])
            process.terminate()
            assert await process.wait() == -signal.SIGTERM
            assert await registered(target) == [ONE], "the child has a registration of its own"
            os.kill(child, signal.SIGTERM)
            await until(sets, [])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


async def test_what_is_started_outside_of_the_main_thread_takes_no_signal(target: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: Registration(target, ONE).start().close())
    thread.start()
    await asyncio.to_thread(thread.join)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("target", "endpoint", "options", "why"),
    [
        ("kubernetes:///orders", ONE, {}, "Kubernetes registers its pods itself"),
        ("etcd:///orders", ONE, {}, "no HOST:PORT of an etcd server"),
        ("etcd://etcd:2379/orders", "10.0.0.1", {}, "has no `:port`"),
        ("etcd://etcd:2379/orders", "0.0.0.0:80", {}, "register the address at which others reach it"),
        ("etcd://etcd:2379/orders", ONE, {"ttl_s": 1}, "ttl_s=1 is not a whole number from 2"),
        ("etcd://etcd:2379/orders", ONE, {"ttl_s": 2.5}, "ttl_s=2.5"),
        ("etcd://etcd:2379/orders", ONE, {"password": "x"}, "a user and a password"),
    ],
)
def test_what_is_wrong_is_said_at_construction(target: str, endpoint: str, options: dict[str, int], why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        Registration(target, endpoint, **options)  # type: ignore[arg-type]
    assert isinstance(caught.value, InvalidTarget) or "etcd://" not in why


def test_nothing_secret_is_in_what_it_prints() -> None:
    registration = Registration("etcd://etcd:2379/orders", ONE, user="orders", password="hunter2")
    assert "hunter2" not in repr(registration)
    assert "orders" in repr(registration)
