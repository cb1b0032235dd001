"""The micro-benchmarks: what they say of numbers, and the command from end to end."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyperf
import pytest
from rich.console import Console

from benchmarks.micro.__main__ import main
from benchmarks.micro.blocks import CHANGES, REPORTS, SIZES, THREADS, names, picks
from benchmarks.micro.report import growth, report, targets, typical

ROOT = Path(__file__).parents[2]
MICRO = [sys.executable, "-m", "benchmarks.micro"]

WELL: Mapping[str, Sequence[float]] = {name: [500e-9] * 4 for name in names()}


def told(values: Mapping[str, Sequence[float]]) -> tuple[bool, list[str]]:
    """Whether the targets are met, and the lines that say which are not."""
    console = Console(width=200, file=io.StringIO(), record=True)
    met = report(values, console)
    return met, [line for line in console.export_text().splitlines() if "which is over" in line]


def test_targets_that_are_met_are_no_line_each() -> None:
    assert told(WELL) == (True, [])


@pytest.mark.parametrize(
    ("name", "seconds", "line"),
    [
        (
            picks("round_robin", SIZES[1]),
            1.1e-6,
            "a pick of round_robin, 100 endpoints: 1100 ns, which is over 1000 ns",
        ),
        (
            picks("least_request", SIZES[0], threads=THREADS),
            2.1e-6,
            "a pick of least_request, 3 endpoints, 8 threads: 2100 ns, which is over 2000 ns",
        ),
        (
            picks("least_request", SIZES[-1]),
            610e-9,
            "the growth of a pick of least_request from 3 to 10000 endpoints: 1.22-fold, which is over 1.20-fold",
        ),
        (CHANGES[0].name, 0.0103, "one of 10000 endpoints is replaced: 10.3 ms, which is over 10.0 ms"),
        (REPORTS, 0.31, "1000 endpoints become ready one by one: 310 ms, which is over 300 ms"),
    ],
)
def test_a_target_that_is_missed_is_a_line(name: str, seconds: float, line: str) -> None:
    met, lines = told({**WELL, name: [seconds] * 4})
    assert not met
    assert lines == [f"● {line}"]


def test_the_slower_three_quarters_are_taken_for_noise() -> None:
    assert typical([1.0, 1.0, 50.0, 70.0, 90.0]) == 1.0
    assert typical([3.0]) == 3.0


def test_growth_is_that_within_a_round() -> None:
    few, many = [500e-9, 900e-9, 500e-9], [600e-9, 1080e-9, 5.0]
    values = {**WELL, picks("first", SIZES[0]): few, picks("first", SIZES[-1]): many}
    assert growth(values, "first") == pytest.approx(1.2)


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--json", "/nowhere/at/all.json"])
    assert exit_.value.code == 2
    assert "'/nowhere/at/all.json' cannot be written; give a file in a folder that exists" in capsys.readouterr().err


def test_a_short_run_measures_everything(tmp_path: Path) -> None:
    file = tmp_path / "micro.json"
    done = subprocess.run(
        [*MICRO, "--processes", "1", "--rounds", "1", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    suite = pyperf.BenchmarkSuite.load(str(file))
    values = {benchmark.get_name(): list(benchmark.get_values()) for benchmark in suite}
    assert set(values) == set(names())
    missed = [f"● {target}" for target in targets(values) if target.missed]
    assert [line for line in done.stdout.splitlines() if "which is over" in line] == missed
    assert (done.returncode, done.stderr) == (1 if missed else 0, "")


def test_an_interrupt_ends_it_and_the_process_that_measures() -> None:
    command = [*MICRO, "--processes", "1", "--rounds", "1000"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert "1 processes measure" in process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not children.read_text():
            os.sched_yield()
        os.killpg(process.pid, signal.SIGINT)
        # Both hold the pipe of the errors: it ends with the last of them.
        process.communicate()
    assert process.returncode == 130
