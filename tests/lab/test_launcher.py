"""The way into a lab, with and without namespaces: signals, exit statuses, and that nothing is left."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from benchmarks.lab import launcher

pytestmark = pytest.mark.usefixtures("dataplane")
in_namespaces = pytest.mark.parametrize("dataplane", ["nftables"], indirect=True)

ROOT = Path(__file__).parents[2]
LAUNCHER = [
    sys.executable,
    "-c",
    "import sys; from benchmarks.lab.launcher import enter; sys.exit(enter(sys.argv[1:]))",
]

# Tells of every signal that it gets; SIGTERM ends it.
LISTENER = """
import signal, sys

wanted = {signal.SIGINT, signal.SIGHUP, signal.SIGTERM}
# Blocked, so that none is lost between one and the next.
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("ready", sys.stdin.isatty(), sys.stdout.isatty(), flush=True)
while (number := signal.sigwait(wanted)) != signal.SIGTERM:
    print("got", signal.Signals(number).name, flush=True)
print("got SIGTERM", flush=True)
sys.exit(3)
"""

# Without namespaces, what begins a session of its own is out of the lab's reach.
DETACHED = {"nftables": "setsid", "userspace": ""}

Listener = tuple["subprocess.Popen[bytes]", IO[bytes]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    """The launcher with a program inside that listens for signals already, and the program's output."""
    command = [*LAUNCHER, sys.executable, "-c", LISTENER]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready False False\n"
            yield process, process.stdout
        finally:
            process.kill()


@pytest.fixture
def terminal_listener() -> Iterator[Listener]:
    """The same, as the foreground processes of a terminal, and the terminal's screen and keyboard."""
    keyboard, terminal = pty.openpty()
    command = ["setsid", "--ctty", *LAUNCHER, sys.executable, "-c", LISTENER]
    with (
        subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=terminal) as process,
        os.fdopen(keyboard, "r+b", buffering=0) as screen,
    ):
        os.close(terminal)
        try:
            assert screen.readline() == b"ready True True\r\n"
            yield process, screen
        finally:
            process.kill()


def test_the_exit_status_is_that_of_the_command() -> None:
    assert launcher.enter(["sh", "-c", "exit 7"]) == 7
    assert launcher.enter(["sh", "-c", "kill -KILL $$"]) == 128 + signal.SIGKILL


def test_a_command_that_cannot_be_run_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert launcher.enter(["/no/such/program"]) == 2
    assert capfd.readouterr().err == "lab: cannot run /no/such/program: No such file or directory\n"


@in_namespaces
def test_names_are_resolved_in_the_cluster_and_temporary_files_go_to_memory(capfd: pytest.CaptureFixture[str]) -> None:
    assert launcher.enter(["sh", "-c", "cat /etc/resolv.conf /etc/nsswitch.conf; echo $DISCOVERY_LAB $TMPDIR"]) == 0
    assert capfd.readouterr().out.splitlines() == [
        "nameserver 10.96.0.10",
        "search default.svc.cluster.local svc.cluster.local cluster.local",
        "options ndots:5",
        "hosts: files dns",
        "1 /dev/shm",
    ]


def test_signals_to_the_launcher_reach_the_command(listener: Listener) -> None:
    process, output = listener
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        process.send_signal(number)
        assert output.readline() == f"got {number.name}\n".encode()
    assert process.wait() == 3


def test_ctrl_c_at_the_terminal_reaches_the_command_once(terminal_listener: Listener) -> None:
    process, screen = terminal_listener
    screen.write(b"\x03")
    assert screen.readline() == b"^Cgot SIGINT\r\n"
    # What would be delivered a second time, by the terminal or by the launcher, comes before this.
    process.terminate()
    assert screen.readline() == b"got SIGTERM\r\n"
    assert process.wait() == 3


def test_a_signal_to_the_whole_process_group_reaches_the_command_once() -> None:
    command = [*LAUNCHER, sys.executable, "-c", LISTENER]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == b"got SIGINT\n"
        process.terminate()
        assert process.stdout.read() == b"got SIGTERM\n"


def test_a_signal_that_is_ignored_outside_is_ignored_inside() -> None:
    nohup = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]
    command = [*nohup, *LAUNCHER, "sh", "-c", "echo ready; read line; echo $line"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)
        output, _ = process.communicate(b"still here\n")
        assert output == b"still here\n"
        assert process.returncode == 0


def test_when_the_launcher_is_killed_every_process_inside_ends(dataplane: str) -> None:
    # The program, and another one that ignores every signal that can be ignored, in a session of its own if it may.
    program = f"(trap '' HUP INT TERM; exec {DETACHED[dataplane]} sleep 1000) & exec {sys.executable} -c '{LISTENER}'"
    command = [*LAUNCHER, "sh", "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready False False\n"
        process.kill()
        # The pipe ends when the last process that has it has ended.
        assert process.stdout.read() == b""


def test_when_the_command_ends_the_processes_that_it_left_end_too(dataplane: str) -> None:
    command = [*LAUNCHER, "sh", "-c", f"{DETACHED[dataplane]} sleep 1000 & exit 4"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.wait() == 4


def test_no_file_is_left(dataplane: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    name = f"lab-{uuid.uuid4()}"
    shared = f"/dev/shm/{name}" if dataplane == "nftables" else ""
    assert launcher.enter(["sh", "-ec", f"touch {shared} $(mktemp --tmpdir {name}.XXXX)"]) == 0
    assert list(tmp_path.iterdir()) == []
    folders = (Path("/dev/shm"), Path("/tmp"))
    assert [file for folder in folders for file in folder.glob(f"{name}*")] == []


@in_namespaces
def test_orphans_are_reaped() -> None:
    program = """
import os, sys
reader, writer = os.pipe()
if os.fork() == 0:
    child = os.fork()
    if child:
        os.write(writer, child.to_bytes(4))
    os._exit(0)
os.wait()
child = int.from_bytes(os.read(reader, 4))
while os.path.exists(f"/proc/{child}"):  # also as a zombie
    os.sched_yield()
"""
    assert launcher.enter([sys.executable, "-c", program]) == 0


AVAILABLE = """
from benchmarks.lab.launcher import available
print(available())
"""


@in_namespaces
@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        ("mount --bind /dev/null $(command -v nft)", "the lab needs the program nft: install the package nftables"),
        (
            "mount --bind /dev/null $(command -v unshare)",
            "the lab needs the program unshare: install the package util-linux",
        ),
        (
            "echo 0 > /proc/sys/user/max_user_namespaces",
            "user namespaces are forbidden here (unshare: unshare failed: No space left on device): "
            "run `sysctl -w user.max_user_namespaces=15000` as root",
        ),
    ],
)
def test_what_is_missing_is_told_with_the_remedy(capfd: pytest.CaptureFixture[str], spoil: str, complaint: str) -> None:
    assert launcher.enter(["sh", "-ec", f"{spoil}; exec {sys.executable} -c '{AVAILABLE}'"]) == 0
    assert capfd.readouterr().out == f"{complaint}\n"


@in_namespaces
def test_a_missing_resolver_configuration_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    hide = "mount -t tmpfs tmpfs /etc; ln -s /run/no/resolv.conf /etc/resolv.conf"
    inner = " ".join(f"'{word}'" for word in [*LAUNCHER, "true"])
    assert launcher.enter(["sh", "-ec", f"{hide}; exec {inner}"]) == 2
    assert capfd.readouterr().err == (
        "lab: /etc/resolv.conf leads to /run/no/resolv.conf, which does not exist: "
        "create it, if only as an empty file\n"
    )


@in_namespaces
def test_what_the_kernel_refuses_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    again = "from benchmarks.lab.network import configure; configure()"
    assert launcher.enter([sys.executable, "-c", again]) == 1
    assert capfd.readouterr().err.endswith(
        "LabError: the lab's network cannot be set up, rtnetlink request 20 failed (EEXIST: File exists)\n"
    )
