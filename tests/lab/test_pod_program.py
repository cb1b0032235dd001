"""What a Pod's first container runs, and in what environment."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.lab.images import pull_failure
from benchmarks.lab.pod_program import NotRunnable, program_of


def pod(**container: Any) -> dict[str, Any]:
    metadata = {
        "name": "web-0",
        "namespace": "shop",
        "uid": "u-1",
        "labels": {"app": "web", "topology.kubernetes.io/zone": "zone-b"},
        "annotations": {"example.org/index": "7"},
    }
    spec = {"nodeName": "node-1", "serviceAccountName": "web", "containers": [{"name": "main", **container}]}
    return {"metadata": metadata, "spec": spec}


def field(path: str) -> dict[str, Any]:
    return {"valueFrom": {"fieldRef": {"fieldPath": path}}}


def test_command_and_arguments_are_those_of_the_container() -> None:
    program = program_of(pod(command=["python", "-m", "benchmarks.client", "--a"], args=["b"]), "10.64.0.9")
    assert (program.module, program.arguments) == ("benchmarks.client", ("--a", "b"))


def test_without_a_command_the_first_argument_is_a_module_of_ours_or_the_provider_runs() -> None:
    program = program_of(pod(args=["discovery.xds", "--verbose"]), "10.64.0.9")
    assert (program.module, program.arguments, program.by_default) == ("discovery.xds", ("--verbose",), False)
    program = program_of(pod(args=["--latency-ms", "5"]), "10.64.0.9")
    assert (program.module, program.arguments) == ("services.provider", ("--latency-ms", "5"))
    assert program.by_default


def test_who_listens_does_so_at_the_address_of_the_pod() -> None:
    provider = program_of(pod(command=["python", "-m", "services.provider"], args=["--http-port", "1"]), "10.64.0.9")
    assert provider.arguments == ("--http-port", "1", "--host", "10.64.0.9")
    plane = program_of(pod(command=["python3", "-m", "discovery.xds"], args=["--listen", "0.0.0.0:18000"]), "10.64.0.9")
    assert plane.arguments == ("--listen", "10.64.0.9:18000")


@pytest.mark.parametrize("command", ["sh -c true", "python -c 1", "python -m", "python -m http.server"])
def test_what_is_not_ours_cannot_run(command: str) -> None:
    with pytest.raises(NotRunnable, match="the lab runs") as refused:
        program_of(pod(command=command.split()), "10.64.0.9")
    assert refused.value.reason == "CreateContainerError"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web-0"),
        ("metadata.namespace", "shop"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['example.org/index']", "7"),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "web"),
        ("status.podIP", "10.64.0.9"),
    ],
)
def test_a_variable_tells_a_field_of_the_pod(path: str, value: str) -> None:
    assert program_of(pod(env=[{"name": "X", **field(path)}]), "10.64.0.9").environment["X"] == value


def test_variables_and_arguments_refer_to_variables_that_come_before() -> None:
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$(C)-$$(A)"},
        {"name": "C", "value": "3"},
        {"name": "EMPTY"},
    ]
    program = program_of(pod(args=["discovery.xds", "--x=$(B)", "$(POD_NAME)"], env=env), "10.64.0.9")
    assert program.environment["B"] == "1-$(C)-$(A)"
    assert program.environment["EMPTY"] == ""
    assert program.arguments == ("--x=1-$(C)-$(A)", "web-0")


def test_a_pod_that_does_not_say_is_told_who_it_is() -> None:
    told = program_of(pod(), "10.64.0.9").environment
    assert told == {"POD_NAME": "web-0", "POD_NAMESPACE": "shop", "NODE_NAME": "node-1", "ZONE": "zone-b"}


@pytest.mark.parametrize(
    "container",
    [
        {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        {"env": [{"name": "X", **field("status.hostIPs")}]},
        {"envFrom": [{"configMapRef": {"name": "c"}}]},
    ],
)
def test_a_variable_from_elsewhere_is_a_fault_of_the_configuration(container: dict[str, Any]) -> None:
    with pytest.raises(NotRunnable, match="the lab") as refused:
        program_of(pod(**container), "10.64.0.9")
    assert refused.value.reason == "CreateContainerConfigError"


@pytest.mark.parametrize("image", ["", "discovery-demo", "discovery-demo:dev", "ghcr.io/a/b:1", "invalid/x"])
def test_an_image_is_there(image: str) -> None:
    assert pull_failure(image) is None


@pytest.mark.parametrize(
    ("image", "reference", "place"),
    [
        ("registry.invalid/x:1", "registry.invalid/x:1", "registry.invalid/v2/x/manifests/1"),
        ("x.invalid:5000/a/b", "x.invalid:5000/a/b:latest", "x.invalid:5000/v2/a/b/manifests/latest"),
    ],
)
def test_an_image_from_a_registry_that_cannot_exist_is_not(image: str, reference: str, place: str) -> None:
    host = place.partition(".")[0] + ".invalid"
    assert pull_failure(image) == (
        f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}": '
        f'failed to do request: Head "https://{place}": dial tcp: lookup {host}: no such host'
    )
