"""Every overlay builds, and what it builds is what Kubernetes' own schemas allow: no field misspelt, none missing."""

from __future__ import annotations

import functools
import json
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from .built import ALL, FOLDER, OVERLAYS, build, of_kind, pods

VERSIONS = ("1.30", "1.37")
"""The oldest that has all that the manifests use (`preStop.sleep`), and the newest whose schemas are at hand."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", ["base", *OVERLAYS])
def test_every_object_is_valid(overlay: str, version: str) -> None:
    objects = build(overlay)
    assert len(objects) > 20
    for each in objects:
        assert _validated(json.dumps(each), version) == version


@functools.cache  # most objects are the same in all overlays, and each takes a while
def _validated(each: str, version: str) -> str:
    return str(kubernetes_validate.validate(json.loads(each), version, strict=True))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("wrong", [{"replica": 2}, {"replicas": "two"}, {"selector": ...}])
def test_what_is_not_is_refused(version: str, wrong: dict[str, Any]) -> None:
    deployment = of_kind(build("base"), "Deployment")["echo"]
    spec = {key: value for key, value in {**deployment["spec"], **wrong}.items() if value is not ...}
    deployment = {**deployment, "spec": spec}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, version, strict=True)


def test_one_overlay_has_every_component() -> None:
    used = {path.parent.name for path in FOLDER.glob("components/*/kustomization.yaml")}
    text = (FOLDER / "overlays" / ALL / "kustomization.yaml").read_text()
    assert used
    assert all(f"components/{name}\n" in text for name in used)


def test_all_is_in_the_namespace_that_is_made() -> None:
    objects = build(ALL)
    (namespace,) = of_kind(objects, "Namespace")
    inside = [each for each in objects if each["kind"] != "Namespace"]
    assert {each["metadata"].get("namespace") for each in inside} == {namespace}


def test_the_overlays_of_the_walk_through_differ_in_what_they_say() -> None:
    replicas = {overlay: of_kind(build(overlay), "Deployment")["echo"]["spec"].get("replicas") for overlay in OVERLAYS}
    assert replicas == {"examples": None, "kind": 1, "kind-two": 2, "kind-grpc-service": 2, "kind-grpc-watched": 2}
    service, watched = (pods(build(f"kind-grpc-{way}")) for way in ("service", "watched"))
    assert {name for name in service if service[name] != watched[name]} == {"consumer"}
