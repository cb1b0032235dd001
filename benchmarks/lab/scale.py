"""The `scale` of a Deployment: its number of replicas, read and written as an `autoscaling/v1` Scale; pure."""

from __future__ import annotations

from typing import Any

from .kinds import Object
from .store_errors import InvalidError


def scale_of(deployment: Object) -> dict[str, Any]:
    """What a GET answers."""
    metadata, spec = deployment["metadata"], deployment.get("spec") or {}
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: metadata[field] for field in kept},
        "spec": {"replicas": spec.get("replicas", 1)},
        "status": {
            "replicas": (deployment.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def scaled(deployment: Object, scale: Object) -> dict[str, Any]:
    """The Deployment with the replicas of a Scale, which may tell the version that it was read from.

    Raises `InvalidError`.
    """
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        name = deployment["metadata"]["name"]
        raise InvalidError(
            f'Scale.autoscaling "{name}" is invalid: spec.replicas: Invalid value: {replicas}: '
            "must be greater than or equal to 0"
        )
    given = scale.get("metadata") or {}
    stated = {field: given[field] for field in ("uid", "resourceVersion") if field in given}
    return {
        **deployment,
        "metadata": {**deployment["metadata"], **stated},
        "spec": {**(deployment.get("spec") or {}), "replicas": replicas},
    }
