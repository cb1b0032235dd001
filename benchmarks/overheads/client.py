"""The client process of one arm: it opens its client once and makes the bursts that it is told to make."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from types import TracebackType
from typing import Any, Literal, Self

from benchmarks.overheads import grpc_ways, http_ways
from benchmarks.overheads.bursts import Burst, burst, burst_asyncio
from benchmarks.overheads.server import names
from benchmarks.overheads.ways import Ways
from benchmarks.uninterrupted import uninterrupted

Protocol = Literal["grpc", "http"]
Kind = Literal["sync", "asyncio"]
WAYS: dict[str, Ways] = {"grpc": grpc_ways.WAYS, "http": http_ways.WAYS}

_WARM_UP_S = 20.0


@dataclass(frozen=True, slots=True)
class Job:
    """What the client is to be. `in_flight` counts threads or tasks."""

    protocol: Protocol
    kind: Kind
    in_flight: int
    arm: str
    addresses: tuple[str, ...]


class ClientError(Exception):
    """The client process cannot go on; the message is its traceback."""


class Client:
    """A client process, ended for certain when the context is left."""

    def __init__(self, job: Job, processes: ForkServerContext) -> None:
        self.job = job
        self._pipe, self._theirs = processes.Pipe()
        self._process = processes.Process(target=main, args=(job, self._theirs), daemon=True)

    def __enter__(self) -> Self:
        try:
            with uninterrupted():
                self._process.start()
        except BaseException:
            self._end()
            raise
        self._theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process.pid is not None:
            self._process.kill()
            self._process.join()
        self._process.close()
        self._pipe.close()

    def warm(self) -> None:
        """Wait until it has had answers from every endpoint; raises ClientError."""
        self._receive()

    def burst(self, count: int) -> Burst:
        """Have it make so many calls; raises ClientError."""
        self._pipe.send(count)
        made = self._receive()
        assert isinstance(made, Burst)
        return made

    def _receive(self) -> object:
        try:
            message = self._pipe.recv()
        except EOFError:
            raise ClientError(f"the client process of {self.job.arm} died") from None
        if isinstance(message, ClientError):
            raise message
        return message


def main(job: Job, pipe: Connection) -> None:
    """Say None once warm, then answer each count with a Burst, until the other end is closed; or say ClientError."""
    # Ctrl-C reaches every process of the terminal. Who started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    try:
        with _client(job) as make:
            # What was imported before stays; collecting it again and again would be measured as the client's work.
            gc.freeze()
            pipe.send(None)
            while True:
                count = pipe.recv()
                # Connections that were closed meanwhile, for being idle, are opened again.
                make(job.in_flight)
                pipe.send(make(count))
    except EOFError:
        pass
    except Exception:  # noqa: BLE001 - whatever it is, the other end must hear of it
        pipe.send(ClientError(traceback.format_exc().strip()))


@contextmanager
def _client(job: Job) -> Iterator[Callable[[int], Burst]]:
    """The client, warm, as a function that makes a burst."""
    ways = WAYS[job.protocol]
    way = ways.by_name[job.arm]
    wanted = set(names(len(job.addresses) if way.spreads else 1))
    if job.kind == "sync":
        assert way.sync is not None
        with way.sync(job.addresses) as call:
            _warm_up(lambda: ways.pod(call()), wanted)
            yield lambda count: burst(call, count, job.in_flight, ways.error)
        return
    assert way.asyncio is not None
    opening = way.asyncio(job.addresses)
    with asyncio.Runner() as runner:
        calling = runner.run(opening.__aenter__())
        _warm_up(lambda: ways.pod(runner.run(_awaited(calling))), wanted)
        yield lambda count: runner.run(burst_asyncio(calling, count, job.in_flight, ways.error))
        runner.run(opening.__aexit__(None, None, None))


async def _awaited(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


def _warm_up(call: Callable[[], str], wanted: set[str]) -> None:
    deadline = time.monotonic() + _WARM_UP_S
    while wanted:
        wanted.discard(call())
        if time.monotonic() > deadline:
            raise TimeoutError(f"no call reached {', '.join(sorted(wanted))} within {_WARM_UP_S:g} s")
