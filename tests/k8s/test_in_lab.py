"""The manifests' base runs in the lab as it is, each pod with the rights of its own account and no others."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.lab.kinds import NAMESPACE, POD
from tests.conftest import Lab
from tests.inside import needs_kernel
from tests.kubectl import kubectl
from tests.lab.running import environment, processes

from .built import FOLDER

pytestmark = needs_kernel

OURS = "discovery-demo"


def test_the_base_serves_and_goes_with_its_namespace(lab: Lab, tmp_path: Path) -> None:
    command = [kubectl(), "--kubeconfig", str(lab.cluster.kubeconfig), "--cache-dir", str(tmp_path)]

    def run(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        run("apply", "-k", str(FOLDER / "base"))
        for name in ("echo", "consumer", "xds"):
            run("-n", OURS, "rollout", "status", "deployment", name, "--timeout=90s")
        pods: list[Any] = list(lab.call(lab.cluster.api.list, POD, OURS).items)
        by_app = {pod["metadata"]["labels"]["app.kubernetes.io/name"]: pod for pod in pods}
        assert (len(pods), set(by_app)) == (4, {"echo", "consumer", "xds"})

        answer = httpx.get(f"http://{by_app['consumer']['status']['podIP']}:8080/service", trust_env=False)
        assert answer.json()["pod"] == by_app["echo"]["metadata"]["name"]
        (provider,) = processes(by_app["echo"]["metadata"]["name"])
        assert "KUBECONFIG" not in environment(provider)
    finally:
        run("delete", "namespace", OURS, "--ignore-not-found", "--grace-period=1", "--timeout=90s")
    with pytest.raises(Exception, match='namespaces "discovery-demo" not found'):
        lab.call(lab.cluster.api.get, NAMESPACE, "", OURS)
