"""The command of the watch's benchmark, from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from benchmarks.watch import main

ROOT = Path(__file__).parents[2]
WATCH = [sys.executable, "-m", "benchmarks.watch"]
MARK = "WATCH_TEST"


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--fast"], "--fast"),
        (["--json", "/nowhere/watch.json"], "/nowhere"),
        (["--json", str(ROOT)], f"{ROOT} is a folder"),
    ],
)
def test_wrong_options_are_one_line(arguments: list[str], culprit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)

    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks.watch: ")
    assert culprit in line


def test_a_quick_run_from_end_to_end(folder: Path) -> None:
    file = folder / "watch.json"
    done = subprocess.run(
        [*WATCH, "--quick", "--json", str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )

    result = json.loads(file.read_text())
    missed = [target["name"] for target in result["targets"] if not target["met"]]
    assert done.returncode == (1 if missed else 0), done.stderr
    assert [line.partition(" missed: ")[2] for line in done.stderr.splitlines() if "missed" in line] == missed
    assert all(name in done.stdout for name in missed)
    check_result(result)


def check_result(result: Any) -> None:
    assert (result["schema"], result["command"].split()[:4]) == (1, ["python", "-m", "benchmarks.watch", "--quick"])
    assert set(result["environment"]) == {"python", "packages", "cpus", "kernel"}
    ways = ["resolver", "balancer", "official", "official-raw", "official-iterated"]
    cells = [(way, endpoints, pace) for endpoints in (100, 1000) for pace in ("single", "burst") for way in ways]
    assert [(each["way"], each["endpoints"], each["pace"]) for each in result["cpu"]] == cells
    for each in result["cpu"]:
        assert each["us_per_event"] == each["rounds_us"][0] > 0
        # Only our client may skip sets, and only where they come faster than they are taken.
        may_skip = each["pace"] == "burst" and each["way"] in {"resolver", "balancer"}
        assert 1 <= each["sets"] <= each["events"] if may_skip else each["sets"] == each["events"]
    assert [(each["endpoints"], each["change"]) for each in result["latency"]] == [
        (endpoints, change) for endpoints in (100, 1000) for change in ("condition", "addition")
    ]
    for each in result["latency"]:
        assert each["events"] == 30
        assert 0 < each["p50_ms"] <= each["p99_ms"] <= each["max_ms"]
        assert each["waited_ms"] >= 0
    assert [each["way"] for each in result["memory"]] == ways[:-1]
    assert all(each["traced_bytes"] > 100_000 and each["rss_bytes"] > 0 for each in result["memory"])
    ours, official = result["idle"]
    assert (ours["watches"], ours["threads"]) == (3, 1)
    assert (official["watches"], official["threads"]) == (3, 3)
    assert all(each["descriptors"] >= 3 for each in result["idle"])
    assert len(result["targets"]) == 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: int, folder: Path) -> None:
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        WATCH,
        cwd=ROOT,
        env=os.environ | {MARK: mark, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr is not None
            assert any(line.startswith("  2/") for line in process.stderr)
            process.send_signal(number)
            output, errors = process.communicate()
        finally:
            process.kill()

    assert process.returncode == 128 + number
    assert output == ""
    assert "Traceback" not in errors
    assert list(folder.iterdir()) == []
    assert not any(f"{MARK}={mark}" in environ for environ in environs())


def environs() -> list[str]:
    """What each living process was started with."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            found.append(file.read_text())
        except OSError:
            continue
    return found
