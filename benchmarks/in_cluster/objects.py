"""What is applied: the manifests of `k8s/base`, in a namespace of the command's own, and its clients. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from benchmarks import client
from benchmarks.in_cluster.client import JOB, WORD
from benchmarks.lab.kinds import CONFIG_MAP, KINDS, NAMESPACE, Kind
from benchmarks.lab.pod_settings import PodSettings
from benchmarks.lab.runs import COMPONENT, MANAGED_BY, PREFIX

Manifest = dict[str, Any]

BASE: Final = Path(__file__).parents[2] / "k8s" / "base"

SERVICE: Final = "echo"
CLIENTS: Final = "load"

OURS: Final = {MANAGED_BY: PREFIX, COMPONENT: "in-cluster"}
"""Of the namespace: other commands, which keep their pods at home, have namespaces that are not ours to judge."""

_IMAGE_IN_BASE: Final = "discovery-demo"
_CLIENT: Final = "client"
# More than that a client is never at work: it waits for the others, and for what is in flight at the end.
_SPARE_S: Final = 600


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of a manifest."""
    named = (manifest["kind"], manifest["apiVersion"])
    return next(kind for kind in KINDS if (kind.name, kind.api_version) == named)


def everything(namespace: str, image: str, replicas: int, *, control_plane: bool) -> list[Manifest]:
    """All but the Namespace and the Job, in the order in which they are to be created."""
    files = ["provider.yaml", "services.yaml", "network.yaml"] + ["xds.yaml"] * control_plane
    made = [*_client_account(), *(each for file in files for each in _read(file))]
    for manifest in made:
        if (manifest["kind"], manifest["metadata"]["name"]) == ("Deployment", SERVICE):
            manifest["spec"]["replicas"] = replicas
        _place(manifest, namespace, image)
    return sorted(made, key=lambda manifest: manifest["kind"] == "Deployment")


def namespace(name: str, annotations: Mapping[str, str]) -> Manifest:
    """The command's own, which enforces the Pod Security Standard `restricted`."""
    (made,) = _read("namespace.yaml")
    made["metadata"] = {
        "name": name,
        "labels": {**made["metadata"]["labels"], **OURS},
        "annotations": dict(annotations),
    }
    return made


def provider(image: str, replicas: int, settings: PodSettings) -> Manifest:
    """A patch of the provider's Deployment: so many pods, which answer like that."""
    deployment = next(each for each in _read("provider.yaml") if each["kind"] == "Deployment")
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    container["image"] = image
    container["args"] += [
        *("--latency-ms", f"{settings.latency_ms:g}", "--concurrency", str(settings.concurrency)),
        *("--lame-duck-s", f"{settings.lame_duck_s:g}", *settings.arguments),
    ]
    return {"spec": {"replicas": replicas, "template": template}}


def job(namespace: str, image: str, work: client.Job) -> Manifest:
    """The clients: so many pods as share the load of an arm, on as many nodes as there are."""
    consumer = next(each for each in _read("consumer.yaml") if each["kind"] == "Deployment")
    spec = deepcopy(consumer["spec"]["template"]["spec"])
    (container,) = spec["containers"]
    for field in ("args", "ports", "readinessProbe", "livenessProbe"):
        container.pop(field, None)
    container |= {
        "name": _CLIENT,
        "command": ["python", "-m", "benchmarks.in_cluster.client"],
        "env": [{"name": JOB, "value": msgspec.json.encode(work).decode()}],
        "resources": {"requests": {"cpu": "500m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
    }
    labels = {"app.kubernetes.io/name": CLIENTS, "app.kubernetes.io/component": "client"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": CLIENTS}},
    }
    spec |= {"serviceAccountName": _CLIENT, "restartPolicy": "Never", "topologySpreadConstraints": [spread]}
    made = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": CLIENTS},
        "spec": {
            "completionMode": "Indexed",
            "completions": work.clients,
            "parallelism": work.clients,
            "backoffLimit": 0,
            "activeDeadlineSeconds": _SPARE_S + round(work.warmup_s + work.duration_s),
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
    _place(made, namespace, image)
    return made


def word(namespace: str) -> Manifest:
    """What the clients wait for."""
    made: Manifest = {"apiVersion": "v1", "kind": CONFIG_MAP.name, "metadata": {"name": WORD}}
    _place(made, namespace, "")
    return made


def as_yaml(manifests: Iterable[Manifest]) -> str:
    """As `kubectl apply -f -` takes them."""
    return "---\n".join(yaml.safe_dump(manifest, sort_keys=False) for manifest in manifests)


def _client_account() -> Iterator[Manifest]:
    """The consumer's account and rights, and that of hearing the word."""
    for manifest in _read("consumer.yaml"):
        if manifest["kind"] == "Deployment":
            continue
        manifest["metadata"]["name"] = _CLIENT
        if manifest["kind"] == "Role":
            manifest["rules"].append(
                {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [WORD], "verbs": ["watch"]}
            )
        if manifest["kind"] == "RoleBinding":
            manifest["roleRef"]["name"] = _CLIENT
            manifest["subjects"][0]["name"] = _CLIENT
        yield manifest


def _place(manifest: Manifest, namespace: str, image: str) -> None:
    """Put it into the namespace, and have its containers run the image."""
    if kind_of(manifest) != NAMESPACE:
        manifest["metadata"]["namespace"] = namespace
    manifest["metadata"].setdefault("labels", {})[MANAGED_BY] = PREFIX
    for container in _containers(manifest):
        if container["image"] == _IMAGE_IN_BASE:
            container["image"] = image


def _containers(manifest: Manifest) -> Sequence[Manifest]:
    template = manifest.get("spec", {}).get("template", {})
    found: Sequence[Manifest] = template.get("spec", {}).get("containers", [])
    return found


def _read(file: str) -> list[Manifest]:
    return [each for each in yaml.safe_load_all((BASE / file).read_text()) if each]
