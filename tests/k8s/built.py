"""The manifests as `kubectl kustomize` builds them, and how they refer to each other."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.kubectl import kubectl

Object = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "k8s"
OVERLAYS = sorted(path.parent.name for path in FOLDER.glob("overlays/*/kustomization.yaml"))
ALL = "examples"
"""The overlay that has every object."""


@functools.cache
def _built(folder: Path) -> str:
    return subprocess.run(
        [kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def build(overlay: str) -> list[Object]:
    """What an overlay applies; `base` is the base. Skips the test where there is no kubectl."""
    folder = FOLDER / "base" if overlay == "base" else FOLDER / "overlays" / overlay
    return list(yaml.safe_load_all(_built(folder)))


def of_kind(objects: Iterable[Object], kind: str) -> dict[str, Object]:
    """Those of one kind, by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def pods(objects: Iterable[Object]) -> dict[str, Object]:
    """The pod template of each Deployment, by the Deployment's name."""
    return {name: each["spec"]["template"] for name, each in of_kind(objects, "Deployment").items()}


def container(pod: Object) -> Object:
    """A pod's only one."""
    (only,) = pod["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; one that is empty matches all."""
    operators: dict[str, Callable[[str, list[str]], bool]] = {
        "In": lambda key, values: labels.get(key) in values,
        "NotIn": lambda key, values: labels.get(key) not in values,
        "Exists": lambda key, _: key in labels,
        "DoesNotExist": lambda key, _: key not in labels,
    }
    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    expressions = selector.get("matchExpressions", ())
    return equal and all(operators[each["operator"]](each["key"], each.get("values", [])) for each in expressions)


def selected(objects: Iterable[Object], selector: Mapping[str, Any]) -> set[str]:
    """The Deployments whose pods a selector matches."""
    return {name for name, pod in pods(objects).items() if selects(selector, pod["metadata"]["labels"])}
