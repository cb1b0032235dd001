"""Balancer: pending, empty and failing; sync and asyncio; closing; forking."""

import asyncio
import gc
import os
import queue
import threading
from collections.abc import AsyncIterator

import pytest

from discovery import (
    Balancer,
    Closed,
    Endpoint,
    InvalidTarget,
    NoEndpoints,
    ResolutionFailed,
    Snapshot,
    State,
    Unresolved,
)
from discovery.testing import ManualResolver

A, B = Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80)


def test_nothing_starts_before_the_first_pick() -> None:
    before = threading.active_count()
    balancer = Balancer("static:///10.0.0.1:80")
    assert balancer.snapshot().source == "idle"
    assert threading.active_count() == before
    with balancer, balancer.pick() as lease:
        assert lease.endpoint == A
    assert balancer.snapshot().source == "closed"


async def test_asyncio_gets_the_same() -> None:
    async with Balancer("static:///10.0.0.1:80,10.0.0.2:80", policy="round_robin") as balancer:
        with await balancer.pick_async() as one, await balancer.pick_async() as other:
            assert {one.endpoint, other.endpoint} == {A, B}
            assert [each.in_flight for each in balancer.snapshot().endpoints] == [1, 1]


def test_a_pending_pick_wakes_with_the_first_set() -> None:
    resolver = ManualResolver()
    with Balancer(resolver=resolver) as balancer:
        picked: list[Endpoint] = []
        waiting = threading.Thread(target=lambda: picked.append(balancer.pick().endpoint))
        waiting.start()
        resolver.update(A)
        waiting.join()
        assert picked == [A]


async def test_a_pending_asyncio_pick_wakes_with_the_first_set() -> None:
    resolver = ManualResolver()
    async with Balancer(resolver=resolver) as balancer:
        waiting = [asyncio.ensure_future(balancer.pick_async()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        resolver.update(A)
        assert [lease.endpoint for lease in await asyncio.gather(*waiting)] == [A, A, A]


async def test_a_pending_pick_gives_up_at_its_timeout() -> None:
    async with Balancer(resolver=ManualResolver()) as balancer:
        with pytest.raises(Unresolved, match=r"manual: not resolved within 0.01 s; source pending, never resolved"):
            balancer.pick(timeout_s=0.01)
        with pytest.raises(TimeoutError):
            await balancer.pick_async(timeout_s=0.01)


async def test_a_cancelled_pending_pick_leaves_nothing_behind() -> None:
    resolver = ManualResolver()
    async with Balancer(resolver=resolver) as balancer:
        waiting = asyncio.ensure_future(balancer.pick_async())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        resolver.update(A)
        with await balancer.pick_async() as lease:
            assert len(lease.node.leases) == 1


def test_an_empty_set_fails_at_once_and_says_why() -> None:
    resolver = ManualResolver()
    resolver.update(note="nobody is ready")
    with (
        Balancer(resolver=resolver) as balancer,
        pytest.raises(NoEndpoints, match=r"manual: nobody is ready; source ok, 0 endpoints, \d"),
    ):
        balancer.pick()


def test_a_failing_source_is_an_error_only_before_the_first_set() -> None:
    resolver = ManualResolver()
    resolver.fail(OSError("no route"))
    with Balancer(resolver=resolver) as balancer:
        with pytest.raises(ResolutionFailed, match=r"no route; source failing \(no route\), never resolved"):
            balancer.pick()
        resolver.update(A)
        changed = threading.Event()
        with balancer.listening(changed.set):
            while balancer.snapshot().source == "failing":
                changed.wait()
                changed.clear()
        assert balancer.pick().endpoint == A


def test_the_last_good_set_is_kept_while_the_source_fails() -> None:
    resolver = ManualResolver(A)
    with Balancer(resolver=resolver) as balancer:
        balancer.pick().done()
        failed = threading.Event()
        with balancer.listening(failed.set):
            resolver.fail(OSError("no route"))
            failed.wait()
        state = balancer.snapshot()
        assert (state.source, state.error) == ("failing", "no route")
        assert state.age_s is not None
        assert balancer.pick().endpoint == A


def test_picks_after_close_say_so() -> None:
    balancer = Balancer(resolver=ManualResolver(A))
    balancer.pick().done()
    balancer.close()
    balancer.close()
    with pytest.raises(Closed, match="it was closed"):
        balancer.pick()


def test_close_wakes_those_who_wait() -> None:
    balancer = Balancer(resolver=ManualResolver())
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            balancer.pick()
        except Closed as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    balancer.close()
    waiting.join()
    assert len(raised) == 1


def test_a_subscriber_is_told_of_each_change_until_the_end() -> None:
    told: queue.SimpleQueue[State] = queue.SimpleQueue()
    resolver = ManualResolver()
    with Balancer(resolver=resolver) as balancer:
        balancer.subscribe(told.put)
        assert told.get().source == "pending"
        resolver.update(A, B)
        assert [each.endpoint for each in told.get().endpoints] == [A, B]
        resolver.fail(OSError("no route"))
        assert told.get().error == "no route"
    assert told.get().source == "closed"


def test_a_slow_subscriber_holds_up_nobody_and_sees_the_newest(caplog: pytest.LogCaptureFixture) -> None:
    told: queue.SimpleQueue[State] = queue.SimpleQueue()
    busy, go_on = threading.Event(), threading.Event()

    def listen(state: State) -> None:
        told.put(state)
        busy.set()
        go_on.wait()
        raise ValueError("oops")

    resolver = ManualResolver(A)
    with Balancer(resolver=resolver) as balancer:
        balancer.pick().done()
        subscription = balancer.subscribe(listen)
        busy.wait()
        changed = threading.Event()
        for endpoints in ((A, B), (B,)):
            changed.clear()
            with balancer.listening(changed.set):
                resolver.update(*endpoints)
                changed.wait()
        go_on.set()
        assert [each.endpoint for each in told.get().endpoints] == [A]
        assert [each.endpoint for each in told.get().endpoints] == [B]
        subscription.close()
    assert "oops" in caplog.text


def test_a_balancer_that_is_dropped_unclosed_ends_its_watch() -> None:
    ended = threading.Event()

    class Ending(ManualResolver):
        async def watch(self) -> AsyncIterator[Snapshot]:
            try:
                async for snapshot in super().watch():
                    yield snapshot
            finally:
                ended.set()

    balancer = Balancer(resolver=Ending(A))
    balancer.pick().done()
    del balancer
    gc.collect()
    ended.wait()


def test_bad_arguments_are_refused_where_they_are_given() -> None:
    with pytest.raises(InvalidTarget):
        Balancer("nonsense")
    with pytest.raises(InvalidTarget):
        Balancer("static:///10.0.0.1:80", policy="nonsense")
    with pytest.raises(TypeError, match="either a target or a resolver"):
        Balancer()
    with pytest.raises(TypeError, match="either a target or a resolver"):
        Balancer("static:///10.0.0.1:80", resolver=ManualResolver())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_resolves_anew() -> None:
    with Balancer("static:///10.0.0.1:80") as balancer:
        parents = balancer.pick()
        child = os.fork()
        if child == 0:
            state = balancer.snapshot().source
            lease = balancer.pick(timeout_s=30)
            os._exit(0 if state == "idle" and lease.node is not parents.node and len(lease.node.leases) == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert balancer.snapshot().source == "ok"
        assert len(parents.node.leases) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_a_retry_may_retry_too() -> None:
    with Balancer("static:///10.0.0.1:80") as balancer:
        balancer.pick()
        held = balancer.retry_budget._lock
        held.acquire()
        child = os.fork()
        if child == 0:
            free = not balancer.retry_budget._lock.locked()
            os._exit(0 if free and balancer.retry_budget.spend() else 1)
        held.release()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
