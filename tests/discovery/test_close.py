"""A watch that is closed ends, whatever it waits for, and leaves nothing: no thread, file, task or connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from kubernetes.client import Configuration

from discovery import Balancer, runtime
from discovery.resolvers.kubernetes import KubernetesResolver
from tests.discovery.api_stand_in import Script, StandIn, item, listing, status

PROC = Path("/proc/self")
needs_proc = pytest.mark.skipif(not (PROC / "fd").is_dir(), reason="this system has no /proc to look into")


class Held(NamedTuple):
    """What this process has: threads, open files, and what the runtime's loop has under way."""

    threads: int
    files: int
    tasks: int

    def within(self, before: Held) -> bool:
        return all(now <= then for now, then in zip(self, before, strict=True))


def held() -> Held:
    tasks: list[int] = []

    async def count() -> None:
        tasks.append(len(asyncio.all_tasks()))

    runtime.submit(count()).result()
    return Held(threading.active_count(), len(list((PROC / "fd").iterdir())), tasks[0])


async def until(holds: Callable[[], bool]) -> None:
    """Go on with both loops until it is so."""
    while not holds():
        runtime.submit(asyncio.sleep(0)).result()
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Place:
    """A server to be watched.

    reached  whether the watch waits there
    """

    configuration: Configuration
    reached: Callable[[Balancer], bool]


class Silent(StandIn):
    """Reads a request and does not answer."""

    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()


@asynccontextmanager
async def a_black_hole() -> AsyncIterator[Place]:
    """A listener whose queue is full drops what comes, as a firewall does."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        before = connecting(port)
        assert before > 0
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{port}"
        yield Place(configuration, lambda _: connecting(port) > before)
        await until(lambda: connecting(port) <= before)


def connecting(port: int) -> int:
    """How many connections to a port of ours have sent their SYN and heard nothing."""
    lines = [line.split() for line in (PROC / "net" / "tcp").read_text().splitlines()]
    return sum(line[2].endswith(f":{port:04X}") and line[3] == "02" for line in lines)


@asynccontextmanager
async def headers_that_do_not_come() -> AsyncIterator[Place]:
    server = Silent()
    async with server.serving() as configuration:
        yield Place(configuration, lambda _: len(server.queries) == 1)


@asynccontextmanager
async def a_silent_stream() -> AsyncIterator[Place]:
    server = Script(listing(5, item(3, "10.0.0.1")))
    async with server.serving() as configuration:
        yield Place(configuration, lambda balancer: server.over.is_set() and balancer.snapshot().source == "ok")


@asynccontextmanager
async def a_backoff() -> AsyncIterator[Place]:
    server = Script(status(503, "busy", "retry-after: 9999"))
    async with server.serving() as configuration:
        yield Place(configuration, lambda balancer: balancer.snapshot().source == "failing")


def with_plug_in(run: Callable[[object], None]) -> Configuration:
    """As a kubeconfig gives it, with a function in the place of the command."""
    configuration: Any = Configuration()
    configuration.api_key["authorization"] = "Bearer old"
    configuration.refresh_api_key_hook = run
    return cast(Configuration, configuration)


@asynccontextmanager
async def a_plug_in_that_hangs() -> AsyncIterator[Place]:
    running, released = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        running.set()
        released.wait()

    configuration = with_plug_in(hang)
    try:
        yield Place(configuration, lambda _: running.is_set())
    finally:
        released.set()


@needs_proc
@pytest.mark.parametrize(
    "where", [a_black_hole, headers_that_do_not_come, a_silent_stream, a_backoff, a_plug_in_that_hangs]
)
async def test_nothing_is_left_of_a_watch_that_is_closed_while_it_waits_for(
    where: Callable[[], AbstractAsyncContextManager[Place]],
) -> None:
    # The runtime's thread, and one for what blocks, are there for as long as the process is.
    runtime.submit(asyncio.to_thread(lambda: None)).result()
    async with where() as place:
        before = held()
        balancer = Balancer(resolver=KubernetesResolver("echo", "http", namespace="shop", config=place.configuration))
        balancer.start()
        await until(lambda: place.reached(balancer))
        balancer.close()
        assert balancer.snapshot().source == "closed"
        # A thread in foreign code cannot be ended, but nobody waits for it.
        await until(lambda: held().within(before._replace(threads=sys.maxsize)))
    # A stand-in has waited until its connections were closed from the other side.
    await until(lambda: held().within(before))
