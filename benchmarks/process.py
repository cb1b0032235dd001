"""Client processes, as seen by the process that starts them."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from types import TracebackType
from typing import Self

from benchmarks import client
from benchmarks.client import Failed, Finished, Job, Message, Ready
from benchmarks.lab.background import together
from benchmarks.live import Counts

# Between the word that measuring starts and the first request, so that every client has it in time.
_LEAD_S = 0.02


class ClientError(Exception):
    """The client process gave no result; the message is one line. `detail` is its traceback, if it had one."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def context(modules: Sequence[str] = (client.__name__,)) -> ForkServerContext:
    """Where client processes come from: a server, started here and now, that has imported all they need.

    It has no thread, loop or channel, so that forking it is safe; and the imports, half a second of CPU, are paid once.
    """
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(list(modules))
    forkserver.ensure_running()
    return made


@dataclass(frozen=True, slots=True)
class Started:
    """The warm-up is over: the first measured request is due at this reading of time.monotonic()."""

    start: float


class ClientProcess:
    """One client process, ended for certain when the context is left."""

    def __init__(self, job: Job, processes: ForkServerContext) -> None:
        self._messages, theirs = processes.Pipe()
        self._process = processes.Process(target=client.main, args=(job, theirs), daemon=True)
        self._theirs = theirs

    async def __aenter__(self) -> Self:
        self._process.start()
        # Only the client may hold this end, or its death would not be noticed here.
        self._theirs.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A client that has reported has closed all it had.
        self._process.kill()
        self._process.join()
        self._process.close()
        self._messages.close()

    async def ready(self, timeout_s: float) -> None:
        """Wait until the warm-up is over; raises ClientError."""
        message = await self._next(timeout_s)
        assert isinstance(message, Ready)

    def begin(self, start: float) -> None:
        """Have the first measured request be due at this reading of time.monotonic()."""
        # One that has died meanwhile is noticed by who waits for its result.
        with suppress(BrokenPipeError):
            self._messages.send(start)

    async def finished(self, timeout_s: float, watch: Callable[[Counts], None]) -> Finished:
        """Wait for the result, while `watch` is told of the answers; raises ClientError."""
        while isinstance(message := await self._next(timeout_s), Counts):
            watch(message)
        assert isinstance(message, Finished)
        return message

    async def _next(self, timeout_s: float) -> Message:
        try:
            async with asyncio.timeout(timeout_s):
                await _readable(self._messages)
        except TimeoutError:
            raise ClientError(f"the client process said nothing for {timeout_s:g} s") from None
        try:
            message: Message = self._messages.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            raise ClientError(f"the client process died, exit status {self._process.exitcode}") from None
        if isinstance(message, Failed):
            raise ClientError(message.traceback.splitlines()[-1], message.traceback)
        return message


class Clients:
    """The client processes that share the load of one arm, `job.clients` of them, as if they were one."""

    def __init__(self, job: Job, processes: ForkServerContext) -> None:
        self._clients = [ClientProcess(replace(job, number=number), processes) for number in range(job.clients)]

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for each in self._clients:
                await stack.enter_async_context(each)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def started(self, timeout_s: float) -> Started:
        """Wait until every warm-up is over, and have all begin at once; raises ClientError."""
        await together(each.ready(timeout_s) for each in self._clients)
        start = time.monotonic() + _LEAD_S
        for each in self._clients:
            each.begin(start)
        return Started(start)

    async def finished(self, timeout_s: float, watch: Callable[[Counts], None] = lambda _: None) -> Finished:
        """Wait for what all of them have done, while `watch` is told of the answers; raises ClientError."""
        all_of_them = await together(each.finished(timeout_s, watch) for each in self._clients)
        return Finished.of_all(all_of_them)


async def _readable(connection: Connection) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection.fileno())
