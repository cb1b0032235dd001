"""`python -m discovery.xds`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.lab.cluster import Pod
from discovery.split import Split
from discovery.xds.__main__ import parse
from tests.conftest import Lab
from tests.discovery.xds.raw import client, hosts

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "discovery.xds"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


async def ask(address: str) -> list[dict[str, set[str]]]:
    async with client(address, "node-7") as stream:
        found = hosts(await stream.endpoints("echo.default:grpc"))
        return [found, hosts(await stream.endpoints("nobody.default:grpc", "echo.default:grpc"))]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_pods_of_a_cluster_until_a_signal(
    lab: Lab, echo_pods: tuple[Pod, ...], number: signal.Signals
) -> None:
    with subprocess.Popen(
        [*COMMAND, "--listen", "127.0.0.1:0"],
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": str(lab.cluster.kubeconfig)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        answers = asyncio.run(ask(process.stdout.readline().strip().removeprefix("serving xds=")))
        process.send_signal(number)
        told = process.communicate()[1]
    assert process.returncode == 0
    assert answers == [{"echo.default:grpc": {pod.address for pod in echo_pods}}, {"nobody.default:grpc": set()}]
    assert "node-7 (raw)" in told
    assert "nobody.default:grpc has no endpoint: it has no EndpointSlice: there is no such Service" in told
    assert "Traceback" not in told


def test_splits_and_headers_are_read_together() -> None:
    options = parse(
        [
            *("--split", "orders:http=90@orders-v1:http,10@orders-v2:http"),
            *("--header", "orders:http=version:200@orders-v2:http"),
            *("--header", "orders:http=version:100@orders-v1:http"),
        ]
    )
    by_value = {"200": "orders-v2:http", "100": "orders-v1:http"}
    assert options.routes == {
        "orders:http": Split([(90, "orders-v1:http"), (10, "orders-v2:http")], ("version", by_value))
    }


@pytest.mark.parametrize(
    ("arguments", "culprit", "remedy"),
    [
        (["--split", "orders:http"], "'orders:http'", "90@orders-v1:http"),
        (["--split", "orders=x@v1"], "'orders=x@v1'", "90@orders-v1:http"),
        (["--split", "orders=0@v1"], "come to nothing", "at least"),
        (["--header", "orders=version@v1"], "'orders=version@v1'", "version:200@orders-v2:http"),
        (["--header", "orders=version:1@v1"], "orders", "--split"),
        (["--split", "a=1@v1", "--header", "a=b:1@v1", "--header", "a=c:1@v1"], "'c'", "one header"),
        (["--speed"], "--speed", ""),
    ],
)
def test_wrong_options_are_one_line(
    arguments: list[str], culprit: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert culprit in line
    assert remedy in line


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [(["--listen", "nowhere"], "nowhere"), (["--split", "orders=1@Orders!"], "Orders!")],
)
def test_what_it_cannot_begin_with_is_one_line(arguments: list[str], culprit: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("discovery.xds: ")
    assert culprit in line


def test_help_shows_an_example() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "python -m discovery.xds --listen 0.0.0.0:18000" in done.stdout
