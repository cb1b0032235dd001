"""What a watch does to its process: nothing is left of it when it is closed, and a forked child begins its own."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from discovery import Balancer
from discovery.resolvers.kubernetes import KubernetesResolver
from tests.discovery.replay import Replay

FDS = Path("/proc/self/fd")


def held() -> tuple[int, int]:
    """Threads and open files of this process."""
    return threading.active_count(), len(list(FDS.iterdir()))


@pytest.mark.skipif(not FDS.is_dir(), reason="this system does not list the open files of a process in /proc")
async def test_nothing_is_left_of_balancers_that_are_closed() -> None:
    replay = Replay("zones")
    async with replay.serving() as configuration:
        with Balancer("static:///10.0.0.1:80") as first:
            first.pick().done()  # starts the thread that the process keeps
        before = held()
        balancers = [
            Balancer(resolver=KubernetesResolver("echo", "http", namespace=f"ns-{number}", config=configuration))
            for number in range(20)
        ]
        for balancer in balancers:
            with await balancer.pick_async(timeout_s=30):
                assert balancer.snapshot().source == "ok"
        for balancer in balancers:
            balancer.close()
    # The stand-in has waited until every connection was closed from the other side, and closed its listener then.
    threads, files = held()
    assert (threads, files) == (before[0], before[1] - 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_a_child_of_a_parent_that_watches_watches_anew() -> None:
    replay = Replay("zones")
    async with replay.serving() as configuration:
        resolver = KubernetesResolver("echo", "http", namespace="shop", config=configuration)
        async with Balancer(resolver=resolver) as balancer:
            (await balancer.pick_async(timeout_s=30)).done()
            lists = len(_lists(replay))
            assert await _ended(_forked(balancer)) == 0
            assert len(_lists(replay)) == lists + 1
            assert balancer.snapshot().source == "ok"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_children_forked_while_threads_pick_watch_anew_each() -> None:
    replay = Replay("zones")
    async with replay.serving() as configuration:
        resolver = KubernetesResolver("echo", "http", namespace="shop", config=configuration)
        async with Balancer(resolver=resolver) as balancer:
            (await balancer.pick_async()).done()
            lists, over, picks = len(_lists(replay)), threading.Event(), threading.Semaphore(0)

            def pick() -> None:
                while not over.is_set():
                    with balancer.pick():
                        picks.release()

            with ThreadPoolExecutor(4) as executor:
                threads = [executor.submit(pick) for _ in range(4)]
                await asyncio.to_thread(picks.acquire)
                children = [_forked(balancer) for _ in range(8)]
                ended = [await _ended(child) for child in children]
                over.set()
                for thread in threads:
                    thread.result()
            assert ended == [0] * 8
            assert len(_lists(replay)) == lists + 8
            assert (balancer.snapshot().source, _in_flight(balancer)) == ("ok", 0)


def _forked(balancer: Balancer) -> int:
    """A child that ends with 0 if its own pick is all that it knows to be in flight."""
    child = os.fork()
    if child == 0:
        # One that hangs would have its parent wait for ever, whatever bounds the test.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        status = 1
        try:
            with balancer.pick():
                status = 0 if _in_flight(balancer) == 1 else 2
        finally:
            os._exit(status)
    return child


async def _ended(child: int) -> int:
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    return os.waitstatus_to_exitcode(status)


def _in_flight(balancer: Balancer) -> int:
    return sum(each.in_flight for each in balancer.snapshot().endpoints)


def _lists(replay: Replay) -> list[dict[str, str]]:
    return [query for query in replay.queries if "watch" not in query]
