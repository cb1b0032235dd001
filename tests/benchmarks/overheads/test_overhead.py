"""The command itself: its options, its result, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from benchmarks.overhead import options
from benchmarks.overheads.rounds import CELLS, QUICK

ROOT = Path(__file__).parents[3]
OVERHEAD = [sys.executable, "-m", "benchmarks.overhead"]
MARK = "OVERHEAD_TEST"


@pytest.mark.parametrize(
    ("arguments", "culprit", "remedy"),
    [
        (["smtp"], "'smtp'", "grpc"),
        (["--json", "/nowhere/result.json"], "/nowhere/result.json", "folder"),
        (["--speed", "3"], "--speed", ""),
    ],
)
def test_wrong_options_are_one_line(
    arguments: list[str], culprit: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        options(arguments)

    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks.overhead: ")
    assert culprit in line
    assert remedy in line


def test_both_protocols_are_the_default_and_each_is_measured_once() -> None:
    assert options([]).protocols == ("grpc", "http")
    assert options(["http", "http"]).protocols == ("http",)


@pytest.mark.parametrize("protocol", ["grpc", pytest.param("http", marks=pytest.mark.soak)])
def test_a_quick_run_has_all_numbers(protocol: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"

    done = subprocess.run(
        [*OVERHEAD, protocol, "--quick", "--json", str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )

    result = json.loads(file.read_text())
    missed = [target for cell in result["cells"] for target in cell["targets"] if not target["met"]]
    assert done.returncode == bool(missed), done.stderr
    assert sum("missed: " in line for line in done.stderr.splitlines()) == len(missed)
    assert result["schema"] == 1
    cells = CELLS[protocol]  # type: ignore[index]
    assert [(cell["kind"], cell["in_flight"]) for cell in result["cells"]] == [(c.kind, c.in_flight) for c in cells]
    for cell, expected in zip(result["cells"], cells, strict=True):
        assert tuple(cell["arms"]) == expected.arms
        for arm in cell["arms"].values():
            assert arm["errors"] == 0
            assert len(arm["rounds"]) == QUICK.sittings * max(QUICK.rounds)
            assert all(each["calls"] >= expected.in_flight and each["cpu_s"] > 0 for each in arm["rounds"])
            assert all(ratio["low"] <= ratio["median"] <= ratio["high"] for ratio in arm["ratio"].values())


def processes(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc to look for processes in")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_it_ends(number: int) -> None:
    mark = uuid.uuid4().hex
    with subprocess.Popen(
        [*OVERHEAD, "grpc"],
        cwd=ROOT,
        env={**os.environ, MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("1/5 ")
        # As Ctrl-C does: to each process of the group.
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        # Every process of it has inherited stderr: it ends with the last of them.
        rest = process.stderr.read()

    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    # Of a parent that was killed in the middle of a request multiprocessing's fork server complains itself.
    assert ("benchmarks/" if number == signal.SIGKILL else "Traceback") not in rest
    assert processes(mark) == []
