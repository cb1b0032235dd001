"""Client processes, as seen by the process that starts them."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from types import TracebackType
from typing import Self

from benchmarks import client
from benchmarks.client import Failed, Finished, Job, Message, Started


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


class ClientProcess:
    """One client process, ended for certain when the context is left."""

    def __init__(self, job: Job, processes: ForkServerContext) -> None:
        self._messages, theirs = processes.Pipe(duplex=False)
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

    async def started(self, timeout_s: float) -> Started:
        """Wait until the warm-up is over; raises ClientError."""
        message = await self._next(timeout_s)
        assert isinstance(message, Started)
        return message

    async def finished(self, timeout_s: float) -> Finished:
        """Wait for the result; raises ClientError."""
        message = await self._next(timeout_s)
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
        except EOFError:
            self._process.join()
            raise ClientError(f"the client process died, exit status {self._process.exitcode}") from None
        if isinstance(message, Failed):
            raise ClientError(message.traceback.splitlines()[-1], message.traceback)
        return message


async def _readable(connection: Connection) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection.fileno())
