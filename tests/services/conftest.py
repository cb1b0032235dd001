"""The services as real processes, which end with the test that started them."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Provider:
    """A running provider, and the addresses on which it serves."""

    process: asyncio.subprocess.Process
    http: str
    grpc: str


@dataclass(frozen=True, slots=True)
class Consumer:
    """A running consumer, and the URL on which it serves."""

    process: asyncio.subprocess.Process
    url: str


Spawn = Callable[..., Awaitable[asyncio.subprocess.Process]]
StartProvider = Callable[..., Awaitable[Provider]]
StartConsumer = Callable[..., Awaitable[Consumer]]


@pytest.fixture
async def spawn() -> AsyncIterator[Spawn]:
    """Start `python -m MODULE ARGUMENTS`, with pipes and with further variables in its environment."""
    async with contextlib.AsyncExitStack() as stack:

        async def spawned(module: str, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            stack.push_async_callback(_end, process)
            return process

        yield spawned


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


@pytest.fixture
def provider(spawn: Spawn) -> StartProvider:
    """Start a provider on free ports of 127.0.0.1; returns when it serves."""

    async def started(*arguments: str, **environment: str) -> Provider:
        ports = ("--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0")
        process = await spawn("services.provider", *ports, *arguments, **environment)
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        serving = re.fullmatch(r"serving http=(\S+) grpc=(\S+)\n", line)
        assert serving, (line, await process.communicate())
        return Provider(process, *serving.groups())

    return started


@pytest.fixture
def consumer(spawn: Spawn) -> StartConsumer:
    """Start a consumer on a free port of 127.0.0.1; returns when uvicorn says that it serves."""

    async def started(*arguments: str) -> Consumer:
        process = await spawn("services.consumer", "--host", "127.0.0.1", "--port", "0", *arguments)
        assert process.stderr is not None
        log = b""
        while line := await process.stderr.readline():
            log += line
            if serving := re.search(rb"running on (http://\S+)", line):
                return Consumer(process, serving[1].decode())
        raise AssertionError(log.decode())

    return started
