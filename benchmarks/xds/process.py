"""The processes of the measurement, and what they say to each other: a line of JSON for each line of text."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MODULE = "benchmarks.xds"


class Process:
    """One of them, as seen by who started it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def say(self, text: str) -> None:
        assert self._process.stdin is not None
        print(text, file=self._process.stdin, flush=True)

    def hear(self) -> Any:
        """The next line; raises RuntimeError where the process has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the benchmark ended with status {self._process.wait()}")
        return json.loads(line)

    def ask(self, text: str) -> Any:
        self.say(text)
        return self.hear()


@contextmanager
def started(*arguments: str) -> Iterator[Process]:
    """A process in a role, ended with the block."""
    command = [sys.executable, "-m", MODULE, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Process(process)
        finally:
            process.kill()


def tell(value: object) -> None:
    """To who started this process."""
    print(json.dumps(value), flush=True)


async def lines() -> asyncio.StreamReader:
    """What it says."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def allow_files() -> None:
    """As many open files as may be: each stream has a connection."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def held() -> dict[str, float]:
    """Resident memory in MiB, and CPU so far."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {"rss_mib": float(fields["VmRSS"].split()[0]) / 1024, "cpu_s": time.process_time()}
