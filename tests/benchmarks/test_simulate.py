"""The command itself: what is expected holds, what is broken is said, and the committed page is what it writes."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import simulate
from benchmarks.simulation import page, scenarios
from benchmarks.simulation.drawing import draw
from benchmarks.simulation.findings import Chart, Line
from benchmarks.simulation.policies import POLICIES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMAND = [sys.executable, "-m", simulate.MODULE]


@pytest.mark.parametrize(
    ("arguments", "culprit", "remedy"),
    [
        (["--scenarios", "flood"], "'flood'", "slow"),
        (["--seed", "-1"], "'-1'", "0"),
        (["--speed", "3"], "--speed", ""),
        (["--docs", ".", "--quick"], "--docs", "leave out --quick"),
        (["--docs", ".", "--scenarios", "slow"], "--docs", "leave out --quick and --scenarios"),
        (["--docs", "/nowhere"], "/nowhere", "make it"),
        (["--json", "/nowhere/found.json"], "/nowhere", "make it"),
    ],
)
def test_wrong_options_are_one_line(
    arguments: list[str], culprit: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        simulate.options(arguments)

    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks.simulate: ")
    assert culprit in line
    assert remedy in line


def test_help_shows_examples() -> None:
    done = subprocess.run([*COMMAND, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "python -m benchmarks.simulate --quick" in done.stdout


@pytest.mark.soak
def test_a_quick_run_of_all_scenarios_holds(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    done = subprocess.run(
        [*COMMAND, "--quick", "--json", str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, "broken" in done.stderr) == (0, False), done.stderr
    assert len(done.stderr.splitlines()) == len(scenarios.names())
    found = json.loads(file.read_text())
    assert (found["seed"], found["quick"], tuple(found["scenarios"])) == (1, True, scenarios.names())
    assert all(findings["expectations"] for findings in found["scenarios"].values())


@pytest.mark.parametrize("scenario", ["slow", "failing", "two-choices"])
def test_what_round_robin_does_in_place_of_least_request_is_reported_as_broken(
    scenario: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(POLICIES, "least_request", POLICIES["round_robin"])

    assert simulate.main(["--quick", "--scenarios", scenario]) == 1

    out, err = capsys.readouterr()
    broken = [line for line in err.splitlines() if line.startswith(f"benchmarks.simulate: broken: {scenario}: ")]
    assert broken
    assert all(line.removeprefix(f"benchmarks.simulate: broken: {scenario}: ") in out for line in broken)


def test_ctrl_c_ends_it_with_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    with subprocess.Popen(
        [*COMMAND, "--json", str(file)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == f"1/{len(scenarios.names())} {scenarios.names()[0]}\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()
        finally:
            process.kill()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "benchmarks.simulate: interrupted"
    assert "Traceback" not in errors
    assert not file.exists()


def test_a_section_of_the_committed_page_is_what_a_run_gives() -> None:
    cold = scenarios.find("cold")
    findings = cold.play(scenarios.Setting(1, quick=False, tell=lambda what: None))
    assert page.section(cold, findings) in (DOCS / "simulation.md").read_text()


def test_the_committed_page_has_each_scenario_and_no_other_images() -> None:
    text = (DOCS / "simulation.md").read_text()
    for name in scenarios.names():
        assert f"\n## {scenarios.find(name).title}\n" in text
    images = set(re.findall(r"\(images/(.*?)\)", text))
    assert images == {path.name for path in (DOCS / "images").glob("*.svg")}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_the_committed_page_is_what_a_run_gives(tmp_path: Path) -> None:
    assert simulate.main(["--docs", str(tmp_path)]) == 0
    assert (tmp_path / "simulation.md").read_text() == (DOCS / "simulation.md").read_text()


def test_pictures_are_the_same_each_time_and_have_no_background(tmp_path: Path) -> None:
    chart = Chart("x", "alt", "x", "y", [Line("a", [1, 2], [3, 4]), Line("b", [1, 2], [4, 3])], log_x=True, level=3.5)
    drawn = []
    for number in "12":
        (tmp_path / number).mkdir()
        draw(chart, tmp_path / number)
        drawn.append((tmp_path / number / "x.svg").read_bytes())
    assert drawn[0] == drawn[1]
    assert b"#ffffff" not in drawn[0]
    assert len(drawn[0]) < 50_000
