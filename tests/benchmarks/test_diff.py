"""The command that compares two results: what it prints, and its exit status."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from benchmarks import diff
from benchmarks.compare import main
from benchmarks.result import Result
from tests.benchmarks.test_changes import five_ms_slower, gaussian, results
from tests.benchmarks.test_compare import compare


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Folders with results of the same code."""
    random = Random("pair of the same code")
    folders = (tmp_path / "a", tmp_path / "b")
    for folder in folders:
        results(random, 3, gaussian).write(folder)
    return folders


def test_the_same_code_is_status_0(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert diff.main([str(pair[0]), str(pair[1] / "result.json")]) == 0

    printed = capsys.readouterr().out
    assert "of 20 arms: nothing is beyond noise." in printed
    assert "would have been" in printed
    assert " *" not in printed.partition("\n")[2]


def test_five_milliseconds_more_are_status_1_and_a_sentence(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = Result.read(pair[0] / "result.json")
    replace(before, runs=tuple(five_ms_slower(run) for run in before.runs)).write(pair[1])

    assert main(["diff", *map(str, pair)]) == 1

    printed = capsys.readouterr().out
    (line,) = (line for line in printed.splitlines() if line.startswith("● steady: way-0 http asyncio: p50 "))
    assert " -> " in line
    assert line.count("ms") == 2


def test_wrong_input_is_one_line_and_status_2(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Result.read(pair[0] / "result.json")
    replace(before, environment=replace(before.environment, cpus=64)).write(tmp_path / "elsewhere")
    replace(before, runs=before.runs[:20]).write(tmp_path / "once")

    for other, expected in [
        ("elsewhere", "cpus 2 and 64"),
        ("once", "no arm has 2 repeats on both sides"),
        ("nowhere", str(tmp_path / "nowhere")),
    ]:
        with pytest.raises(SystemExit) as exit_:
            diff.main([str(pair[0]), str(tmp_path / other)])
        assert exit_.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("benchmarks.compare diff: ")
        assert expected in line


def test_help_tells_what_counts() -> None:
    done = compare("diff", "--help")

    assert done.returncode == 0
    assert "5 %" in done.stdout
    assert "exit status" in done.stdout
