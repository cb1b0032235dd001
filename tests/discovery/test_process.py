"""What a watch does to its process: nothing is left of it when it is closed, and a forked child begins its own."""

from __future__ import annotations

import asyncio
import os
import threading
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
            child = os.fork()
            if child == 0:
                picked = balancer.pick(timeout_s=30)
                os._exit(0 if picked.endpoint.host else 1)
            status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status[1]) == 0
            assert len(_lists(replay)) == lists + 1
            assert balancer.snapshot().source == "ok"


def _lists(replay: Replay) -> list[dict[str, str]]:
    return [query for query in replay.queries if "watch" not in query]
