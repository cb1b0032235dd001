"""kubectl, as a reader would try it: get, get -w, describe, apply, scale, patch, delete."""

import json
import os
import subprocess
from collections.abc import Callable

import pytest

import tests.kubectl
from tests.target import Target

from .objects import deployment, service

Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def command(target: Target, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """kubectl and the options that lead it to the target; it keeps what it discovers in a folder of its own."""
    program = tests.kubectl.kubectl()
    cache = tmp_path_factory.mktemp("kubectl")
    options = ["--kubeconfig", target.kubeconfig, "--namespace", target.namespace, "--cache-dir", str(cache)]
    return [program, *options]


@pytest.fixture
def kubectl(command: list[str]) -> Kubectl:
    """Runs one command, and returns what it prints."""

    def run(*arguments: str, content: str | None = None) -> str:
        done = subprocess.run(
            [*command, *arguments], input=content, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_apply_and_get(target: Target, mark: str, kubectl: Kubectl) -> None:
    manifest = {"apiVersion": "v1", "kind": "Service", **service(mark, mark)}

    assert kubectl("apply", "-f", "-", content=json.dumps(manifest)) == f"service/{mark} created\n"
    assert kubectl("apply", "-f", "-", content=json.dumps(manifest)) == f"service/{mark} unchanged\n"
    del manifest["spec"]["ports"][1]
    assert kubectl("apply", "-f", "-", content=json.dumps(manifest)) == f"service/{mark} configured\n"

    header, line = kubectl("get", "svc", mark).splitlines()
    assert header.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert line.split()[::4] == [mark, "80/TCP"]
    described = [line.split() for line in kubectl("describe", "svc", mark).splitlines()]
    assert ["Name:", mark] in described
    assert ["Port:", "http", "80/TCP"] in described


def test_scale_patch_and_delete(target: Target, mark: str, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", content=json.dumps(deployment(mark, mark)))
    name = f"deployment/{mark}"

    assert kubectl("scale", name, "--replicas=1") == f"deployment.apps/{mark} scaled\n"
    assert kubectl("get", name, "-o", "jsonpath={.spec.replicas}") == "1"
    patch = '{"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "9"}]}]}}}}'
    kubectl("patch", name, "-p", patch)
    container = "{.spec.template.spec.containers[0]"
    assert kubectl("get", name, "-o", f"jsonpath={container}.env[*].value}}") == "9 2"
    kubectl("patch", name, "--type=json", "-p", '[{"op": "replace", "path": "/spec/replicas", "value": 0}]')
    header, line = kubectl("get", "deployments", "-l", f"test={mark}").splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert line.split()[0] == mark
    kubectl("delete", name)
    assert kubectl("get", "deployments", "-l", f"test={mark}", "-o", "name") == ""


@pytest.mark.parametrize("resource", ["svc", "pods", "endpointslices", "endpoints", "deployments"])
def test_what_a_reader_looks_at_is_served(mark: str, kubectl: Kubectl, resource: str) -> None:
    assert kubectl("get", resource, "-l", f"test={mark}") == ""


def test_get_watch_prints_changes(target: Target, mark: str, command: list[str]) -> None:
    target.core.create_namespaced_service(target.namespace, service(mark, mark))
    arguments = [*command, "get", "svc", "-w", "-l", f"test={mark}"]

    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=os.environ) as watching:
        try:
            assert watching.stdout is not None
            first = [watching.stdout.readline().split()[0] for _ in range(2)]
            target.core.create_namespaced_service(target.namespace, service(f"{mark}-new", mark))
            then = watching.stdout.readline().split()[0]
        finally:
            watching.kill()

    assert (first, then) == (["NAME", mark], f"{mark}-new")
