"""What is applied to a real cluster is what `k8s/base` has, in a namespace of its own, and valid."""

from __future__ import annotations

from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from benchmarks.client import Job
from benchmarks.in_cluster import objects
from benchmarks.in_cluster.dry_run import text
from benchmarks.in_cluster.rights import RIGHTS
from benchmarks.lab.pod_settings import PodSettings
from benchmarks.lab.runs import MANAGED_BY, PREFIX
from benchmarks.options import options
from benchmarks.strategies import Way
from tests.k8s.pod_security import violations
from tests.k8s.test_schemas import VERSIONS

WORK = Job("kubernetes", "http", "sync", Way("a", "kept", "random", "n"), "", 600, 1, 5, 60, clients=3)


@pytest.fixture(scope="module")
def printed() -> str:
    return text(
        options(["--cluster", "--dry-run", "--strategies", "grpc-xds,kubernetes", "--image", "registry/demo:7"])
    )


@pytest.fixture(scope="module")
def applied(printed: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(printed))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(applied: list[dict[str, Any]], version: str) -> None:
    assert len(applied) > 15
    for each in applied:
        kubernetes_validate.validate(each, version, strict=True)


def test_all_is_in_one_namespace_that_no_other_command_has(printed: str, applied: list[dict[str, Any]]) -> None:
    namespace, *inside = applied
    assert namespace["kind"] == "Namespace"
    assert {each["metadata"]["namespace"] for each in inside} == {namespace["metadata"]["name"]}
    again = text(options(["--cluster", "--dry-run"]))
    assert namespace["metadata"]["name"] not in again
    assert all(each["metadata"]["labels"][MANAGED_BY] == PREFIX for each in applied)


def test_pods_are_restricted_and_run_the_image_that_is_named(applied: list[dict[str, Any]]) -> None:
    templates = {
        each["metadata"]["name"]: each["spec"]["template"] for each in applied if "template" in each.get("spec", {})
    }
    assert templates.keys() == {"echo", "xds", "load"}
    for template in templates.values():
        assert violations(template["spec"]) == []
        assert [each["image"] for each in template["spec"]["containers"]] == ["registry/demo:7"]


def test_the_clients_may_watch_the_slices_and_hear_the_word_and_nothing_else(applied: list[dict[str, Any]]) -> None:
    roles = {each["metadata"]["name"]: each["rules"] for each in applied if each["kind"] == "Role"}
    assert roles["client"] == [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["begin"], "verbs": ["watch"]},
    ]


def test_every_right_is_printed(printed: str) -> None:
    listed = [line for line in printed.splitlines() if line.startswith("#   ")]
    for right in RIGHTS:
        assert any(right.what in line and right.verb in line.rpartition(":")[2] for line in listed), right


def test_the_job_has_as_many_clients_as_share_the_load() -> None:
    job = objects.job("n", "demo", WORK)
    assert (job["spec"]["completions"], job["spec"]["parallelism"], job["spec"]["completionMode"]) == (3, 3, "Indexed")
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_the_providers_answer_as_the_scenario_has_it() -> None:
    patch = objects.provider("demo", 4, PodSettings(latency_ms=4.0, concurrency=2, arguments=("--dear-ratio", "0.01")))
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    assert patch["spec"]["replicas"] == 4
    assert container["args"][-6:-2] == ["--concurrency", "2", "--lame-duck-s", container["args"][-3]]
    assert container["args"][-2:] == ["--dear-ratio", "0.01"]
