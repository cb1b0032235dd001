"""Callers that wait for room, sync and asyncio, and how many of them may."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import pytest

from discovery import Balancer, Balancing, Endpoint, Lease, Outcome, Overloaded, Unresolved
from discovery.testing import ManualResolver

A, B = Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80)


def limited(*endpoints: Endpoint, max_waiting: int = 0) -> Balancer:
    """A balancer whose endpoints have one request in flight each at most, and one now."""
    balancer = Balancer(
        resolver=ManualResolver(*endpoints),
        policy="round_robin",
        balancing=Balancing(max_in_flight=1, max_waiting=max_waiting),
    )
    balancer.pick(timeout_s=30).retract()
    return balancer


def waiting(threads: ThreadPoolExecutor, balancer: Balancer, count: int = 1) -> list[Future[Lease]]:
    """So many callers, who have found that there is no room."""
    found_none = threading.Semaphore(0)
    pick = balancer.pick_nowait

    def tell(*arguments: object, **named: object) -> Lease | None:
        lease = pick(*arguments, **named)  # type: ignore[arg-type]
        if lease is None:
            found_none.release()
        return lease

    balancer.pick_nowait = tell  # type: ignore[method-assign]
    futures = [threads.submit(balancer.pick) for _ in range(count)]
    for _ in range(2 * count):  # once at first, and once when they will be woken
        found_none.acquire()
    return futures


@pytest.mark.parametrize("outcome", list(Outcome))
def test_who_waits_gets_the_place_that_becomes_free(outcome: Outcome) -> None:
    with ThreadPoolExecutor() as threads, limited(A) as balancer:
        lease = balancer.pick()
        (waiter,) = waiting(threads, balancer)
        assert not waiter.done()
        lease.done(outcome)
        assert waiter.result(30).endpoint == A
        assert len(lease.node.leases) == 1


def test_each_place_goes_to_one_of_those_who_wait() -> None:
    with ThreadPoolExecutor() as threads, limited(A, B) as balancer:
        leases = [balancer.pick() for _ in range(2)]
        nodes = [lease.node for lease in leases]
        waiters = waiting(threads, balancer, 4)
        for _ in range(4):
            leases.pop(0).done()
            # One has the place, and it is the next to be freed.
            (served,), rest = wait(waiters, return_when=FIRST_COMPLETED)
            leases.append(served.result())
            waiters = list(rest)
            assert [len(node.leases) for node in nodes] == [1, 1]
        assert waiters == []


def test_who_waits_gets_a_new_endpoint() -> None:
    with ThreadPoolExecutor() as threads, limited(A) as balancer:
        balancer.pick()
        (waiter,) = waiting(threads, balancer)
        assert isinstance(balancer.resolver, ManualResolver)
        balancer.resolver.update(A, B)
        assert waiter.result(30).endpoint == B


async def test_asyncio_callers_wait_too() -> None:
    async with limited(A) as balancer:
        lease = await balancer.pick_async()
        waiters = [asyncio.ensure_future(balancer.pick_async()) for _ in range(3)]
        for _ in range(3):
            await asyncio.sleep(0)
            assert not any(waiter.done() for waiter in waiters)
            lease.done()
            (done,), rest = await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
            lease, waiters = done.result(), list(rest)
            assert len(lease.node.leases) == 1


async def test_an_asyncio_caller_that_is_cancelled_leaves_its_place_to_others() -> None:
    async with limited(A, max_waiting=1) as balancer:
        lease = await balancer.pick_async()
        waiter = asyncio.ensure_future(balancer.pick_async())
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        other = asyncio.ensure_future(balancer.pick_async())
        await asyncio.sleep(0)
        lease.done()
        assert (await other).endpoint == A


async def test_who_waits_too_long_is_told_what_is_full() -> None:
    async with limited(A) as balancer:
        balancer.pick()
        told = r"manual: each of its 1 endpoints has 1 requests in flight, the most; source ok, 1 endpoints"
        with pytest.raises(Overloaded, match=told):
            balancer.pick(timeout_s=0.01)
        with pytest.raises(Overloaded, match=told):
            await balancer.pick_async(timeout_s=0.01)
        with pytest.raises(Overloaded, match=told):
            balancer.pick(timeout_s=0)
        assert balancer.pick_nowait() is None


async def test_more_than_may_wait_are_told_at_once() -> None:
    with ThreadPoolExecutor() as threads:
        async with limited(A, max_waiting=2) as balancer:
            lease = balancer.pick()
            waiters = [asyncio.wrap_future(waiter) for waiter in waiting(threads, balancer, 2)]
            told = "manual: 2 callers wait already, the most that may; source ok"
            with pytest.raises(Overloaded, match=told):
                balancer.pick()
            with pytest.raises(Overloaded, match=told):
                await balancer.pick_async()
            lease.done()
            (served,), (waiter,) = await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
            # Now another one may wait.
            other = asyncio.ensure_future(balancer.pick_async())
            await asyncio.sleep(0)
            served.result().done()
            (served,), (last,) = await asyncio.wait({waiter, other}, return_when=asyncio.FIRST_COMPLETED)
            served.result().done()
            assert (await last).endpoint == A


def test_those_who_wait_for_the_first_set_count_as_well() -> None:
    with (
        ThreadPoolExecutor() as threads,
        Balancer(resolver=ManualResolver(), balancing=Balancing(max_waiting=1)) as balancer,
    ):
        (waiter,) = waiting(threads, balancer)
        with pytest.raises(Overloaded, match="1 callers wait already"):
            balancer.pick(timeout_s=30)
        assert isinstance(balancer.resolver, ManualResolver)
        balancer.resolver.update(A)
        assert waiter.result(30).endpoint == A


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_place_that_becomes_free_at_the_last_moment_is_taken(
    asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with limited(A) as balancer:
        lease = balancer.pick()
        last_look: Callable[..., Lease] = balancer.at_last

        def freed(*arguments: object) -> Lease:
            lease.done()
            return last_look(*arguments)

        monkeypatch.setattr(balancer, "at_last", freed)
        taken = await balancer.pick_async(timeout_s=0.01) if asynchronous else balancer.pick(timeout_s=0.01)
        # A look that took it and gave it back would have told others meanwhile that there is no room.
        assert taken.node.leases == {taken}


async def test_pending_is_told_apart_from_full() -> None:
    async with Balancer(resolver=ManualResolver(), balancing=Balancing(max_in_flight=1)) as balancer:
        with pytest.raises(Unresolved, match=r"not resolved within 0\.01 s"):
            balancer.pick(timeout_s=0.01)
        with pytest.raises(Unresolved, match=r"not resolved within 0\.01 s"):
            await balancer.pick_async(timeout_s=0.01)
