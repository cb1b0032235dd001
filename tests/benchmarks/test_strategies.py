"""The ways to call: found by folder, with their variants, and what DNS does for those who ask it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from benchmarks import strategies
from benchmarks.arm import Arm, Wire
from tests.benchmarks.contract import check_result
from tests.benchmarks.test_compare import compare
from tests.inside import needs_kernel

SHORT = ["--clients", "asyncio", "--quick", "--rate", "100"]
GRPC_ALONE = {"grpc-dns", "grpc-list", "grpc-xds", "service-dns+max-connection-age"}


def arm(strategy: str) -> Arm:
    return Arm("steady", strategy, "http", "sync", "kept", None, 0)


@pytest.mark.parametrize("name", strategies.names())
def test_each_strategy_says_how_it_calls(name: str) -> None:
    found = strategies.find(name)
    assert (found.modes("http") == ()) == (name in GRPC_ALONE)
    assert found.modes("grpc") == ("kept",)
    assert isinstance(found.l4, bool)
    assert isinstance(found.needs_dns, bool)
    assert found.missing() is None or found.missing()


def test_a_variant_is_a_file_of_its_own_and_named_behind_its_strategy() -> None:
    variants = {name for name in strategies.names() if name.startswith("service-dns+")}
    assert variants == {
        f"service-dns+{variant}" for variant in ("affinity", "external-name", "max-connection-age", "node-port")
    }
    assert (arm("service-dns+affinity").name, arm("service-dns+affinity").variant) == ("service-dns", "affinity")
    assert (arm("service-dns").name, arm("service-dns").variant) == ("service-dns", None)
    assert (arm("a+b:///c").name, arm("a+b:///c").variant) == ("a+b", "a+b:///c")


def test_a_protocol_that_no_strategy_serves_is_one_line(folder: Path) -> None:
    done = compare("--strategies", "grpc-dns,grpc-list", "--protocols", "http", *SHORT, "--output", str(folder))

    assert done.returncode == 2
    assert done.stderr == "benchmarks.compare: grpc-dns, grpc-list: none of them serves http\n"


def measured(folder: Path, *arguments: str) -> list[dict[str, object]]:
    done: subprocess.CompletedProcess[str] = compare(*arguments, *SHORT, "--output", str(folder))
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "result.json").read_text())
    check_result(result)
    runs: list[dict[str, object]] = result["runs"]
    assert all(run["errors"] == 0 for run in runs)
    return runs


def first_request(run: dict[str, object]) -> object:
    reaction = run["reaction"]
    assert isinstance(reaction, dict)
    return reaction["first_request_ms"]


@needs_kernel
@pytest.mark.soak
def test_grpc_asks_dns_once_and_discovery_by_the_ttl(folder: Path) -> None:
    following, blind = measured(
        folder,
        *["--strategies", "headless-dns,grpc-dns", "--protocols", "grpc", "--scenarios", "scale-up", "--duration", "5"],
    )

    assert (following["strategy"], blind["strategy"]) == ("headless-dns", "grpc-dns")
    assert (following["policy"], blind["policy"]) == ("least_request", None)
    assert first_request(following) is not None
    assert following["idle_backends"] == 0
    assert first_request(blind) is None
    assert blind["idle_backends"] == 7


@pytest.mark.soak
@needs_kernel
@pytest.mark.parametrize("wire", get_args(Wire))
def test_those_that_follow_do_and_the_others_do_not(wire: str, folder: Path) -> None:
    names = ["headless-dns", "srv-dns", "file", "service-dns+affinity", "service-dns+external-name"]
    names += ["service-dns+node-port"] + ["grpc-dns", "grpc-list", "service-dns+max-connection-age"] * (wire == "grpc")
    runs = measured(folder, "--strategies", *names, "--protocols", wire, "--scenarios", "scale-up", "--duration", "8")
    reached = {
        f"{run['strategy']}+{run['variant']}" if run["variant"] else run["strategy"]: first_request(run) is not None
        for run in runs
        if run["connections_mode"] == "kept"
    }
    for name in ("headless-dns", "srv-dns", "file"):
        assert reached[name]
    assert not reached["service-dns+affinity"]
    if wire == "grpc":
        assert not reached["grpc-dns"]
        assert not reached["grpc-list"]
        assert not reached["service-dns+node-port"]
        assert reached["service-dns+max-connection-age"]
