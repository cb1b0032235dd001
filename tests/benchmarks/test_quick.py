"""The quick comparison shows what it is there to show. It takes a minute for each policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.benchmarks.test_compare import ROOT, compare
from tests.inside import why_outside

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=["least_request", "round_robin"])
def result(request: pytest.FixtureRequest) -> dict[str, Any]:
    if reason := why_outside():
        pytest.skip(reason)
    # Not under the temporary folder of this run: the command has one of its own in the same place.
    folder = ROOT / "results" / "soak" / request.param
    done = compare("--quick", "--policy", request.param, "--output", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    parsed: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return parsed


def runs(result: dict[str, Any], **wanted: str) -> list[dict[str, Any]]:
    found = [run for run in result["runs"] if all(run[name] == value for name, value in wanted.items())]
    assert found
    return found


def test_every_arm_is_measured_without_an_error(result: dict[str, Any]) -> None:
    assert len(result["runs"]) == 21
    for run in result["runs"]:
        assert (run["status"], run["errors"], run["dropped"]) == ("ok", 0, 0)
        assert run["requests"] >= 1000
        assert sum(run["by_backend"].values()) == run["requests"]


@pytest.mark.parametrize("strategy", ["static", "kubernetes"])
def test_a_client_that_picks_is_even(result: dict[str, Any], strategy: str) -> None:
    for run in runs(result, strategy=strategy, scenario="steady"):
        if run["policy"] == "round_robin":
            assert max(run["by_backend"].values()) - min(run["by_backend"].values()) <= 1
        else:
            assert run["max_over_mean"] <= 1.05


def test_a_grpc_channel_over_the_service_uses_one_pod(result: dict[str, Any]) -> None:
    for run in runs(result, strategy="service-dns", protocol="grpc", scenario="steady"):
        assert (run["max_over_mean"], run["idle_backends"], run["connections_opened"]) == (3.0, 2, 1)


def test_a_connection_per_request_is_as_even_as_chance_has_it(result: dict[str, Any]) -> None:
    for run in runs(result, strategy="service-dns", connections_mode="per-request", scenario="steady"):
        assert run["cv"] <= 3 * run["noise_floor_cv"]
        assert run["connections_opened"] >= run["requests"]


def test_only_who_watches_follows_a_scale_up(result: dict[str, Any]) -> None:
    for run in runs(result, strategy="kubernetes", scenario="scale-up"):
        assert run["reaction"]["first_request_ms"] <= 250
        assert run["reaction"]["fair_share_ms"] is not None
    for blind in (
        runs(result, strategy="static", scenario="scale-up"),
        runs(result, protocol="grpc", strategy="service-dns", scenario="scale-up"),
    ):
        assert all(run["reaction"]["first_request_ms"] is None for run in blind)
