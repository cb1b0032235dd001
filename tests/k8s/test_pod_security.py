"""No pod asks for more than the Pod Security Standard `restricted` grants, or can write to its file system."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from .built import OVERLAYS, build, container, of_kind, pods
from .pod_security import violations


@pytest.mark.parametrize("overlay", ["base", *OVERLAYS])
def test_every_pod_is_restricted(overlay: str) -> None:
    found = {name: violations(pod["spec"]) for name, pod in pods(build(overlay)).items()}
    assert found == {"consumer": [], "echo": [], "xds": []}


def test_the_namespace_enforces_it() -> None:
    (namespace,) = of_kind(build("base"), "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_root_file_system_can_be_written() -> None:
    for pod in pods(build("base")).values():
        assert container(pod)["securityContext"]["readOnlyRootFilesystem"] is True
        assert "volumes" not in pod["spec"]


def test_only_who_watches_has_a_token() -> None:
    accounts = of_kind(build("base"), "ServiceAccount")
    tokens = {
        name: pod["spec"].get(key, accounts[pod["spec"]["serviceAccountName"]].get(key, True))
        for key in ("automountServiceAccountToken",)
        for name, pod in pods(build("base")).items()
    }
    assert tokens == {"consumer": True, "echo": False, "xds": True}


Break = Callable[[dict[str, Any]], object]

ROOT = {"runAsNonRoot": False}

BREAKS: list[tuple[str, Break]] = [
    ("hostNetwork", lambda pod: pod.update(hostNetwork=True)),
    ("hostPID", lambda pod: pod.update(hostPID=True)),
    ("hostIPC", lambda pod: pod.update(hostIPC=True)),
    ("hostPath", lambda pod: pod.update(volumes=[{"name": "root", "hostPath": {"path": "/"}}])),
    ("sysctl", lambda pod: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}])),
    ("runAsNonRoot", lambda pod: pod["securityContext"].pop("runAsNonRoot")),
    ("runAsUser", lambda pod: pod["securityContext"].update(runAsUser=0)),
    ("seccompProfile", lambda pod: pod["securityContext"].pop("seccompProfile")),
    ("seccompProfile", lambda pod: of(pod).update(seccompProfile={"type": "Unconfined"})),
    ("appArmorProfile", lambda pod: of(pod).update(appArmorProfile={"type": "Unconfined"})),
    ("seLinuxOptions", lambda pod: of(pod).update(seLinuxOptions={"type": "spc_t"})),
    ("hostProcess", lambda pod: of(pod).update(windowsOptions={"hostProcess": True})),
    ("privileged", lambda pod: of(pod).update(privileged=True)),
    ("procMount", lambda pod: of(pod).update(procMount="Unmasked")),
    ("allowPrivilegeEscalation", lambda pod: of(pod).pop("allowPrivilegeEscalation")),
    ("dropped", lambda pod: of(pod).pop("capabilities")),
    ("SYS_ADMIN", lambda pod: of(pod)["capabilities"].update(add=["SYS_ADMIN"])),
    ("hostPort", lambda pod: pod["containers"][0]["ports"][0].update(hostPort=80)),
    ("host in", lambda pod: pod["containers"][0]["readinessProbe"]["httpGet"].update(host="10.0.0.1")),
    ("first: runAsNonRoot", lambda pod: pod.update(initContainers=[{"name": "first", "securityContext": ROOT}])),
]


def of(pod: dict[str, Any]) -> dict[str, Any]:
    """The security context of its container."""
    context: dict[str, Any] = pod["containers"][0]["securityContext"]
    return context


@pytest.mark.parametrize(("word", "spoil"), BREAKS)
def test_each_breach_is_found(word: str, spoil: Break) -> None:
    spec = copy.deepcopy(pods(build("base"))["consumer"]["spec"])
    spoil(spec)
    assert any(word in line for line in violations(spec))
