"""Clusters that start and stop in a row, half of them killed at any moment: nothing of them is left."""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.test_launcher import LAUNCHER, ROOT

MARK = "LAB_TEST"

pytestmark = [
    pytest.mark.usefixtures("dataplane"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="what is left is looked for in /proc"),
]

# Runs until its standard input ends.
PROGRAM = """
import asyncio, sys
from benchmarks.lab.cluster import Cluster

async def main():
    async with Cluster() as cluster:
        await cluster.create_service("echo")
        await cluster.start_pods("echo", 2)
        print("up", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@dataclass(frozen=True)
class Attempt:
    """A cluster on its way up. Every process of it has inherited `MARK=mark`; temporary files are its own."""

    process: subprocess.Popen[bytes]
    mark: str

    @classmethod
    def start(cls, temporary: Path) -> Attempt:
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [*LAUNCHER, sys.executable, "-W", "error", "-c", PROGRAM],
            cwd=ROOT,
            env=os.environ | {MARK: mark, "TMPDIR": str(temporary)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        return cls(process, mark)

    def up(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == b"up\n", self.process.communicate()[1].decode()

    def stop(self) -> None:
        """In good order."""
        output, errors = self.process.communicate(b"")
        assert (self.process.returncode, output, errors) == (0, b"", b"")
        assert self.processes() == []

    def kill(self) -> None:
        """At once; returns when every process has ended."""
        self.process.kill()
        self.process.communicate()
        while alive := self.processes():
            for pid in alive:
                _until_ended(pid)

    def processes(self) -> list[int]:
        """All that are alive, in whatever namespace."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found


def _until_ended(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(handle, select.POLLIN)  # readable when the process has ended
    poll.poll()
    os.close(handle)


def start_and_stop(times: int, temporary: Path) -> None:
    begin = time.monotonic()
    attempt = Attempt.start(temporary)
    attempt.up()
    start_up_s = time.monotonic() - begin
    attempt.stop()
    for number in range(1, times):
        attempt = Attempt.start(temporary)
        if number % 2:
            time.sleep(random.uniform(0, 1.3 * start_up_s))  # any moment of its start, or a little after
            attempt.kill()
        else:
            attempt.up()
            attempt.stop()
        assert list(temporary.iterdir()) == []


def test_six_in_a_row_leave_nothing(tmp_path: Path) -> None:
    start_and_stop(6, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_fifty_in_a_row_leave_nothing(tmp_path: Path) -> None:
    start_and_stop(50, tmp_path)


def test_two_at_a_time_do_not_meet(tmp_path: Path) -> None:
    first, second = Attempt.start(tmp_path), Attempt.start(tmp_path)
    first.up()
    second.up()
    first.kill()
    second.stop()
    assert list(tmp_path.iterdir()) == []
