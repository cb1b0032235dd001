"""The backoff, on a clock of the test's own, and what a watch does with errors."""

import asyncio
import logging
import random
import socket
import threading
from collections.abc import AsyncIterator

import pytest

from discovery import Balancer, Endpoint, ResolutionFailed, Snapshot, State
from discovery.policies.round_robin import RoundRobin
from discovery.pool import Pool
from discovery.resolvers import Resolver, ResolverError
from discovery.runtime import Backoff, Watch
from discovery.testing import FakeClock, ManualResolver


def test_delays_double_to_their_longest_with_full_jitter() -> None:
    clock = FakeClock()
    backoff = Backoff(random=lambda: 0.5, clock=clock)
    delays = []
    for _ in range(8):
        backoff.started()
        delays.append(backoff.delay_s())
    assert delays == pytest.approx([0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0])


def test_two_minutes_of_health_are_a_new_beginning() -> None:
    clock = FakeClock()
    backoff = Backoff(random=lambda: 1.0, clock=clock)
    for _ in range(5):
        backoff.started()
        backoff.delay_s()
    backoff.started()
    clock.now += 121
    assert backoff.delay_s() == pytest.approx(0.8)


class Away(Resolver):
    """Served once, then its server refuses every connection; counts the tries and tells when `until` has come."""

    def __init__(self, clock: FakeClock, until: float) -> None:
        self.tries = 0
        self.over = threading.Event()
        self._clock = clock
        self._until = until
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            self._address = closed.getsockname()

    async def watch(self) -> AsyncIterator[Snapshot]:
        self.tries += 1
        if self.tries == 1:
            yield Snapshot((Endpoint("10.0.0.1", 80),))
        if self._clock() >= self._until:
            self.over.set()
            await asyncio.Event().wait()
        await asyncio.open_connection(*self._address)


@pytest.mark.parametrize("seed", range(5))
def test_ten_minutes_of_refusal_cost_few_tries_and_the_set_is_served_throughout(seed: int) -> None:
    clock, pool = FakeClock(), Pool(RoundRobin(), clock=FakeClock())
    resolver = Away(clock, until=600.0)
    watch = Watch(resolver, pool, random=random.Random(seed).random, clock=clock, sleep=clock.sleep)
    assert resolver.over.wait(60)
    watch.close()
    assert 20 < resolver.tries <= 600 * 0.3
    assert "Connect call failed" in str(watch.error)
    lease = pool.pick()
    assert lease is not None
    assert lease.endpoint.host == "10.0.0.1"


class Failing(Resolver):
    """Raises what it is given, one error for each watch, then works."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.watched = 0

    async def watch(self) -> AsyncIterator[Snapshot]:
        self.watched += 1
        yield Snapshot((Endpoint("10.0.0.1", 80 + self.watched),))
        if self._errors:
            raise self._errors.pop(0)
        await asyncio.Event().wait()

    def __repr__(self) -> str:
        return "failing"


def test_each_change_of_an_error_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "discovery")
    resolver = Failing(OSError("no route"), ResolverError("busy", retry_after_s=0.0))
    with Balancer(resolver=resolver) as balancer:
        changed = threading.Event()
        with balancer.listening(changed.set):
            balancer.start()
            while [each.endpoint.port for each in balancer.snapshot().endpoints] != [83]:
                changed.wait()
                changed.clear()
        assert balancer.snapshot().source == "ok"
    assert [record.getMessage() for record in caplog.records] == [
        "failing: resolving failed and is tried again: no route",
        "failing: resolving works again",
        "failing: resolving failed and is tried again: busy",
        "failing: resolving works again",
    ]
    assert {(vars(record)["resolver"], vars(record)["error"]) for record in caplog.records} == {
        ("failing", "no route"),
        ("failing", "busy"),
        ("failing", None),
    }


@pytest.mark.parametrize("bound_s", [0.0, 0.05])
def test_a_bound_on_staleness_is_kept(bound_s: float) -> None:
    resolver = ManualResolver(Endpoint("10.0.0.1", 80))
    resolver.max_stale_s = bound_s
    with Balancer(resolver=resolver) as balancer:
        balancer.pick().done()
        gone = threading.Event()

        def look(state: State) -> None:
            if not state.endpoints:
                gone.set()

        balancer.subscribe(look)
        resolver.fail(OSError("no route"))
        gone.wait()
        with pytest.raises(ResolutionFailed, match=rf"no route, for longer than the {bound_s:g} s"):
            balancer.pick()


class Mended(Resolver):
    """Fails ten times, and wishes not to be waited for longer than a second."""

    def __init__(self) -> None:
        self.tries = 0
        self.over = threading.Event()

    async def watch(self) -> AsyncIterator[Snapshot]:
        self.tries += 1
        if self.tries <= 10:
            raise ResolverError("broken", retry_within_s=1.0)
        yield Snapshot(())
        self.over.set()


def test_a_resolver_may_say_that_it_wants_to_be_tried_again_soon() -> None:
    clock, pool = FakeClock(), Pool(RoundRobin(), clock=FakeClock())
    resolver = Mended()
    watch = Watch(resolver, pool, random=lambda: 0.9, clock=clock, sleep=clock.sleep)
    assert resolver.over.wait(60)
    watch.close()
    assert clock() == pytest.approx(0.8 * 0.9 + 9 * 1.0)
