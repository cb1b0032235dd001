"""The command itself: its options, and runs from end to end in namespaces of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.lab.surroundings import INSIDE
from benchmarks.options import options
from tests.benchmarks.contract import check_result

ROOT = Path(__file__).parents[2]
COMPARE = [sys.executable, "-m", "benchmarks.compare"]
ONE_ARM = ["--strategies", "static", "--protocols", "http", "--clients", "asyncio", "--scenarios", "steady"]


def environment() -> dict[str, str]:
    """That of somebody at a shell, outside of the lab even where the tests run inside."""
    return {name: value for name, value in os.environ.items() if name != INSIDE}


def compare(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMPARE, *arguments],
        cwd=ROOT,
        env=environment() | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "culprit", "remedy"),
    [
        (["--strategies", "xds"], "'xds'", "service-dns"),
        (["--protocols", "http,smtp"], "'smtp'", "grpc"),
        (["--clients", "trio"], "'trio'", "asyncio"),
        (["--scenarios", "flood"], "'flood'", "scale-up"),
        (["--policy", "fastest"], "'fastest'", "round_robin"),
        (["--replicas", "0"], "'0'", "1"),
        (["--rate", "nan"], "'nan'", "1"),
        (["--duration", "-1"], "'-1'", "0.5"),
        (["--repeats", "two"], "'two'", "1"),
        (["--speed", "3"], "--speed", ""),
        (["--strategies", "static:///10.0.0.1", "--protocols", "http"], "10.0.0.1", "static:///10.0.0.1:8080"),
        (["--strategies", "nope:///x", "--protocols", "http"], "nope", "kubernetes"),
        (["--strategies", "static:///10.0.0.1:80"], "protocol", "--protocols http"),
        (["--context", "staging"], "--context", "--local-pods"),
        (["--local-pods", "--cluster"], "--cluster", "--local-pods"),
        (["--local-pods", "--image", "demo"], "--image", "--cluster"),
        (["--output", str(Path(__file__))], "test_compare.py", "folder"),
        (["--output", "/dev/shm/results"], "/dev/shm", "folder"),
    ],
)
def test_wrong_options_are_one_line(
    arguments: list[str], culprit: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        options(arguments)

    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks.compare: ")
    assert culprit in line
    assert remedy in line


def test_lists_may_have_commas_and_spaces_and_targets_commas_of_their_own() -> None:
    given = options(
        ["--strategies", "static,static:///10.0.0.1:80,10.0.0.2:80,kubernetes", "service-dns", "--protocols", "http"]
    )

    assert given.strategies == ("static", "static:///10.0.0.1:80,10.0.0.2:80", "kubernetes", "service-dns")


def test_a_name_given_twice_is_run_once() -> None:
    assert options(["--clients", "sync,asyncio,sync"]).clients == ("sync", "asyncio")


def test_quick_still_sends_a_thousand_requests() -> None:
    quick = options(["--quick"])

    assert quick.rate_rps * quick.duration_s >= 1000
    assert options(["--quick", "--duration", "7"]).duration_s == 7


def test_a_wrong_option_ends_the_command_with_status_2() -> None:
    done = compare("--strategies", "xds")

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_help_shows_examples() -> None:
    done = compare("--help")

    assert done.returncode == 0
    assert "python -m benchmarks.compare --quick" in done.stdout


def test_an_unknown_data_plane_is_one_line_and_status_2() -> None:
    done = compare("--quick", DISCOVERY_LAB_DATAPLANE="ipvs")

    assert done.returncode == 2
    assert done.stderr == (
        "benchmarks.compare: DISCOVERY_LAB_DATAPLANE=ipvs is not known: set it to userspace, or not at all\n"
    )


def test_without_namespaces_it_does_what_can_be_done(folder: Path) -> None:
    done = compare(
        *["--strategies", "service-dns,service:///echo.default:80", "--protocols", "http", "--clients", "asyncio"],
        *["--scenarios", "steady", "--quick", "--duration", "1", "--rate", "100", "--output", str(folder)],
        PATH=str(folder),
        DISCOVERY_LAB_DATAPLANE="",
    )

    assert done.returncode == 0, done.stderr
    first, *_, last = (line for line in done.stdout.splitlines() if "includes the forwarder" in line)
    assert "install the package" in first
    assert "service-dns includes the forwarder" in last
    result = json.loads((folder / "result.json").read_text())
    check_result(result)
    assert result["environment"]["dataplane"] == "userspace"
    kept, reconnecting, by_name = result["runs"]
    assert (kept["status"], kept["errors"], kept["dns_queries"]) == ("ok", 0, None)
    assert reconnecting["connections_opened"] >= reconnecting["requests"] == 100
    assert (by_name["status"], by_name["applicable"]) == ("skipped", False)
    assert "DNS" in by_name["reason"]
    assert "not here: it needs DNS" in done.stdout


def test_a_run_from_end_to_end(folder: Path) -> None:
    done = compare(*ONE_ARM, "--policy", "round_robin", "--duration", "1", "--rate", "100", "--output", str(folder))

    assert done.returncode == 0, done.stderr
    assert "each of 3 pods got its share" in done.stdout
    assert "each of 3 pods got its share" in (folder / "report.html").read_text()
    result = json.loads((folder / "result.json").read_text())
    check_result(result)
    (run,) = result["runs"]
    counts = sorted(run["by_backend"].values())
    assert sum(counts) == run["requests"] == 100
    assert counts[-1] - counts[0] <= 1
    assert run["errors"] == run["dropped"] == run["idle_backends"] == 0
    if result["environment"]["dataplane"] == "nftables":
        assert run["dns_queries"] == 0
        assert run["connections_opened"] >= 3
    else:
        assert run["dns_queries"] is run["connections_opened"] is None


def test_grpc_over_the_service_is_pinned(folder: Path) -> None:
    done = compare(
        *["--strategies", "service-dns", "--protocols", "grpc", "--clients", "asyncio", "--quick"],
        *["--duration", "1", "--rate", "100", "--output", str(folder)],
    )

    assert done.returncode == 0, done.stderr
    assert "1 of 3 pods got every request" in done.stdout
    assert "the 7 new pods got nothing" in done.stdout
    result = json.loads((folder / "result.json").read_text())
    check_result(result)
    steady, scaled = result["runs"]
    assert (steady["max_over_mean"], steady["idle_backends"], steady["connections_opened"]) == (3.0, 2, 1)
    assert (scaled["max_over_mean"], scaled["idle_backends"]) == (10.0, 9)
    assert scaled["reaction"]["first_request_ms"] is scaled["reaction"]["fair_share_ms"] is None


def test_a_watching_client_follows(folder: Path) -> None:
    done = compare(
        *["--strategies", "kubernetes", "--protocols", "http", "--clients", "asyncio", "--scenarios", "scale-up"],
        *["--duration", "2", "--rate", "200", "--output", str(folder)],
    )

    assert done.returncode == 0, done.stderr
    (run,) = json.loads((folder / "result.json").read_text())["runs"]
    assert run["reaction"]["first_request_ms"] is not None
    assert run["reaction"]["fair_share_ms"] is not None
    assert run["idle_backends"] == 0
    assert len(run["by_backend"]) == 10


def test_pods_that_do_not_start_are_one_line_and_status_2(folder: Path) -> None:
    # Python imports this at its start; the pods alone have a POD_NAME.
    (folder / "sitecustomize.py").write_text(
        "import os\nif 'POD_NAME' in os.environ:\n    print('no will to live', flush=True)\n    os._exit(1)\n"
    )

    done = compare(*ONE_ARM, "--quick", "--output", str(folder / "output"), PYTHONPATH=str(folder))

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "echo-" in line
    assert "no will to live" in line
    assert not (folder / "output").exists()


def test_failed_requests_are_said_and_end_with_status_1(folder: Path) -> None:
    done = compare(
        *["--strategies", "static:///127.0.0.1:1", "--protocols", "http", "--clients", "asyncio"],
        *["--scenarios", "steady", "--duration", "0.5", "--rate", "20", "--output", str(folder)],
    )

    assert done.returncode == 1
    assert "10 of 10 requests failed (10 ConnectError)" in done.stdout
    (run,) = json.loads((folder / "result.json").read_text())["runs"]
    assert run["variant"] == "static:///127.0.0.1:1"
    assert run["errors_by_kind"] == {"ConnectError": 10}
