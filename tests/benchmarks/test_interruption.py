"""However the command ends in mid-run, nothing of it is left, and what was measured so far is written."""

import json
import os
import select
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.benchmarks.contract import check_result
from tests.benchmarks.test_compare import COMPARE, ONE_ARM, ROOT, environment

MARK = "COMPARE_TEST"


@dataclass(frozen=True)
class Command:
    """A running command. Every process of it has inherited `MARK=mark`; temporary files are its own."""

    process: subprocess.Popen[str]
    mark: str
    output: Path
    temporary: Path

    def processes(self) -> dict[int, str]:
        """Process ids and command lines of all that are alive, in whatever namespace."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found


@pytest.fixture
def command(folder: Path, request: pytest.FixtureRequest) -> Iterator[Command]:
    """The command, while it runs the second of a hundred arms; a test may say which arm."""
    arm = getattr(request, "param", ONE_ARM)
    mark = uuid.uuid4().hex
    temporary = folder / "temporary"
    temporary.mkdir()
    output = folder / "output"
    process = subprocess.Popen(
        [*COMPARE, *arm, "--quick", "--duration", "1", "--repeats", "100", "--output", str(output)],
        cwd=ROOT,
        env=environment() | {MARK: mark, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert any("1/100" in line for line in process.stdout), process.stderr and process.stderr.read()
            yield Command(process, mark, output, temporary)
        finally:
            process.kill()


def to_the_command(command: Command, number: int) -> None:
    command.process.send_signal(number)


def to_the_terminal(command: Command, number: int) -> None:
    """As Ctrl-C does: to each process of the group."""
    os.killpg(command.process.pid, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("send", [to_the_command, to_the_terminal])
def test_interrupted(command: Command, send: Callable[[Command, int], None], number: int) -> None:
    assert command.processes()

    send(command, number)
    output, errors = command.process.communicate()

    assert command.process.returncode == 128 + number
    assert errors == ""
    assert f"python -m benchmarks.compare --resume {command.output}" in output
    assert command.processes() == {}
    assert list(command.temporary.iterdir()) == []
    result = json.loads((command.output / "result.json").read_text())
    check_result(result)
    assert result["runs"]


def test_killed(command: Command) -> None:
    alive = [os.pidfd_open(pid) for pid in command.processes()]
    assert len(alive) > 4

    command.process.kill()
    for handle in alive:
        # Readable when the process has ended.
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll()
        os.close(handle)

    assert command.processes() == {}
    assert list(command.temporary.iterdir()) == []
