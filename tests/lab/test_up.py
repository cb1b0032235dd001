"""`python -m benchmarks.lab`: a cluster to play with, entered from another terminal, that leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.lab.__main__ import main, parse
from tests.inside import needs_kernel

ROOT = Path(__file__).parents[2]
LAB = [sys.executable, "-W", "error", "-m", "benchmarks.lab"]

# The whole run is in a PID namespace of its own, so that it sees no lab of anybody else.
OUTSIDE = {name: value for name, value in os.environ.items() if name not in {"DISCOVERY_LAB", "TMPDIR"}}
USERSPACE = {**OUTSIDE, "DISCOVERY_LAB_DATAPLANE": "userspace"}


@contextmanager
def up(*options: str, environment: Mapping[str, str] = OUTSIDE) -> Iterator[subprocess.Popen[str]]:
    """A lab that says that it is up."""
    command = [sys.executable, "-m", "benchmarks.lab", "up", *options]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert "The lab is up" in process.stdout.readline()
            yield process
        finally:
            process.kill()


def inside(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LAB, "exec", *command], cwd=ROOT, env=OUTSIDE, capture_output=True, text=True, check=False)


@needs_kernel
def test_a_command_runs_inside_with_its_network_names_and_configuration() -> None:
    with up("--pods", "0"):
        program = "import os, socket; print(os.getcwd(), os.environ['KUBECONFIG'], socket.gethostbyname('echo'))"
        done = inside(sys.executable, "-c", program)
        folder, kubeconfig, address = done.stdout.split()
        assert folder == str(ROOT)
        assert kubeconfig.startswith("/dev/shm/lab-")
        assert address.startswith("10.96.")
        assert json.loads(inside("cat", kubeconfig).stdout)["current-context"] == "lab"

        failed = inside("sh", "-c", "exit 7")
        assert failed.returncode == 7
        unknown = inside("no-such-program")
        assert unknown.returncode != 0
        assert "no-such-program" in unknown.stderr


CLIENT = """
import sys, time, urllib.request
for _ in range(300):
    try:
        print(urllib.request.urlopen("http://echo/ping", timeout=5).read().decode())
        break
    except OSError:
        time.sleep(0.1)  # no pod is ready yet: rejected
"""


@needs_kernel
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_its_pods_answer_and_nothing_is_left(number: signal.Signals) -> None:
    with up("--pods", "1") as process:
        answer = inside(sys.executable, "-c", CLIENT)
        assert json.loads(answer.stdout)["pod"].startswith("echo-"), answer.stderr
        process.send_signal(number)
        assert process.stdout is not None
        rest = process.stdout.read()  # it ends when the last process that has it has ended
        assert process.wait() == (0 if number != signal.SIGKILL else -signal.SIGKILL)
        assert "Traceback" not in rest
    assert inside("true").stderr.startswith("benchmarks.lab: no lab runs: start one")


def test_without_namespaces_a_command_gets_the_configuration() -> None:
    with up("--pods", "0", environment=USERSPACE) as process:
        done = inside("sh", "-c", "cat $KUBECONFIG")
        assert json.loads(done.stdout)["current-context"] == "lab", done.stderr
        process.terminate()
        assert process.wait() == 0
    assert inside("true").stderr.startswith("benchmarks.lab: no lab runs")


def test_without_a_lab_exec_says_how_to_start_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISCOVERY_LAB", raising=False)
    assert main(["exec", "true"]) == 2
    assert capsys.readouterr().err == (
        "benchmarks.lab: no lab runs: start one in another terminal with `python -m benchmarks.lab up`\n"
    )


def test_in_a_lab_exec_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCOVERY_LAB", "1")
    assert main(["exec", "true"]) == 2
    assert "inside a lab already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "benchmarks.lab: the following arguments are required: up|exec"),
        (["up", "--pods", "many"], "benchmarks.lab up: argument --pods: not int from 0 to 100: 'many'"),
        (["down"], "benchmarks.lab: argument up|exec"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(complaint)


def test_a_command_keeps_its_own_options() -> None:
    assert parse(["exec", "kubectl", "get", "--watch", "pods"]).command == ["kubectl", "get", "--watch", "pods"]
