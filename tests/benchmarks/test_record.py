"""What is kept of a run that is interrupted, and how another goes on with it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.options import options
from benchmarks.record import Record
from benchmarks.result import SCHEMA, Result, environment
from benchmarks.summary import not_run, summarize
from tests.benchmarks.contract import check_result
from tests.benchmarks.test_compare import ONE_ARM, compare
from tests.benchmarks.test_plan import QUICK
from tests.benchmarks.test_summary import ARM, STEADY

HERE = environment("nftables")
SHORT = [*ONE_ARM, "--duration", "0.5", "--rate", "100", "--repeats", "2"]
SHARED = ["--policy", "round_robin", "--client-processes", "3", "--arrivals", "poisson"]
COMMAND = ["python", "-m", "benchmarks.compare", "--clients", "sync", "--rate", "50"]


def test_the_file_is_there_and_whole_after_each_run(tmp_path: Path) -> None:
    record = Record.new(tmp_path / "new", "python", HERE)
    assert not record.file.exists()

    for repeat in range(3):
        record.keep(summarize(replace(ARM, repeat=repeat), QUICK, STEADY))
        check_result(json.loads(record.file.read_text()))
        assert Result.read(record.file) == record.result
    assert len(record.runs) == 3
    assert list(record.file.parent.iterdir()) == [record.file]


def test_only_what_is_missing_or_failed_is_run_again(tmp_path: Path) -> None:
    arms = [replace(ARM, repeat=repeat) for repeat in range(4)]
    record = Record.new(tmp_path, "python", HERE)
    record.keep(summarize(arms[0], QUICK, STEADY))
    record.keep(not_run(arms[1], QUICK, "it died"))
    record.keep(not_run(arms[2], QUICK, "it needs DNS", applicable=False))

    resumed = Record.resumed(tmp_path, HERE)
    assert [arm.repeat for arm in arms if resumed.lacks(arm)] == [1, 3]

    resumed.keep(summarize(arms[1], QUICK, STEADY))
    assert [(run.repeat, run.status) for run in resumed.runs] == [(0, "ok"), (1, "ok"), (2, "skipped")]


def test_a_record_is_of_one_environment(tmp_path: Path) -> None:
    Record.new(tmp_path, "python", HERE).keep(summarize(ARM, QUICK, STEADY))

    with pytest.raises(ValueError, match=r"another one: dataplane nftables and userspace$"):
        Record.resumed(tmp_path, environment("userspace"))


def begun(folder: Path, command: list[str]) -> Path:
    return Result(SCHEMA, HERE, "2026-01-01T00:00:00+00:00", " ".join(command), ()).write(folder).parent


def test_what_is_resumed_has_the_options_that_it_was_begun_with(tmp_path: Path) -> None:
    folder = begun(tmp_path, [*COMMAND, "--output", "elsewhere"])

    given = options(["--resume", str(folder), "--json-lines"])

    assert (given.output, given.resume, given.json_lines) == (folder, True, True)
    assert given == replace(options(COMMAND[3:]), output=folder)
    assert options([*COMMAND[3:], "--resume", str(folder)]) == given


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--rate", "60", "--clients", "sync"], "another rate_rps:"),
        (["--quick", "--rate", "50", "--clients", "sync"], "quick"),
        (["--output", "elsewhere"], "--output"),
    ],
)
def test_other_options_than_those_it_was_begun_with_are_one_line(
    tmp_path: Path, arguments: list[str], culprit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(tmp_path, COMMAND)

    with pytest.raises(SystemExit) as exit_:
        options(["--resume", str(folder), *arguments])

    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert culprit in line


@pytest.mark.parametrize("content", [None, "{}", '{"schema": 1}'])
def test_a_folder_without_a_result_cannot_be_resumed(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content:
        (tmp_path / "result.json").write_text(content)

    with pytest.raises(SystemExit):
        options(["--resume", str(tmp_path)])

    (line,) = capsys.readouterr().err.splitlines()
    assert f"argument --resume: {tmp_path / 'result.json'}: " in line


def test_an_interrupted_command_of_several_clients_goes_on_and_tells_machines_of_what_it_adds(folder: Path) -> None:
    first = compare(*SHORT, *SHARED, "--output", str(folder))
    assert first.returncode == 0, first.stderr
    whole = Result.read(folder / "result.json")
    replace(whole, runs=whole.runs[:1]).write(folder)

    done = compare("--resume", str(folder), "--json-lines")

    assert done.returncode == 0, done.stderr
    assert "1 of 2 arms are there; 1 arm to run, about" in done.stderr
    (line,) = done.stdout.splitlines()
    again = Result.read(folder / "result.json")
    assert json.loads(line) == json.loads((folder / "result.json").read_text())["runs"][1]
    assert (again.command, again.started, again.runs[0]) == (whole.command, whole.started, whole.runs[0])
    assert [run.repeat for run in again.runs] == [0, 1]
    for run in again.runs:
        assert (run.client_processes, run.arrivals, run.errors, run.dropped) == (3, "poisson", 0, 0)
        # Each of the three picks in turn by itself.
        counts = (run.by_backend or {}).values()
        assert max(counts) - min(counts) <= 3
        assert sum(counts) == run.requests
