"""The process of a pod's container: its start, its signals, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Mapping, Sequence
from typing import Final, Self

from .container_log import ContainerLog

_LAST_LINES: Final = 5


class Container:
    """A process that runs, or has ended.

    ending: whether somebody has asked it to end
    probes: who asks it whether it is ready, if that is somebody else's task
    """

    def __init__(self, pod: str, process: Process, log: ContainerLog) -> None:
        self.log = log
        self.ending = False
        self.probes: asyncio.Task[None] | None = None
        self._process = process
        self._exit = asyncio.create_task(process.wait(), name=f"exit of {pod}")
        self._exit.add_done_callback(lambda _: log.close())

    @classmethod
    async def start(
        cls, pod: str, command: Sequence[str], environment: Mapping[str, str], log: ContainerLog, *, own_session: bool
    ) -> Self:
        """Run a command; `own_session` keeps the signals from it that are meant for our process group."""
        output = log.open()
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=DEVNULL, stdout=output, stderr=STDOUT, env=environment, start_new_session=own_session
            )
        except BaseException:
            log.close()
            raise
        finally:
            os.close(output)
        return cls(pod, process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int:
        """The process's exit status, -n where signal n has ended it; only once it has ended."""
        return self._exit.result()

    async def alive_for(self, seconds: float) -> bool:
        """True after the time; false as soon as the process ends."""
        await asyncio.wait({self._exit}, timeout=seconds)
        return not self._exit.done()

    def end(self, number: signal.Signals) -> None:
        self.ending = True
        self.send(number)

    def send(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not send_signal(): it may reap the process, and asyncio, which waits for it, complains.
                os.kill(self._process.pid, number)

    async def ended(self) -> None:
        """Wait until the process is gone, and nothing about it is written any more."""
        # wait() and not await: who gives up waiting must not cancel these tasks.
        await asyncio.wait({self._exit})
        if self.probes is not None:
            await asyncio.wait({self.probes})

    def last_words(self) -> str:
        return " | ".join(self.log.last_lines(_LAST_LINES)) or "it printed nothing"
