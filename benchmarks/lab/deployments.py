"""What a Deployment has to do next: which pods to create, which to delete, and what to report; pure.

Its pods are its own: the ReplicaSets that stand between them in a cluster are left out, and with them the history
of rollouts and `kubectl rollout undo`. The arithmetic of a rolling update is that of the real controller.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .kinds import DEPLOYMENT, Object, labels_of
from .label_selectors import LabelSelector
from .ownership import owners, reference

HASH_LABEL = "pod-template-hash"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # of generated names, as Kubernetes has them


@dataclass(frozen=True, slots=True)
class Step:
    """The next writes of one Deployment: pods to create and to delete, and its status afterwards."""

    create: tuple[Object, ...]
    delete: tuple[Object, ...]
    status: Mapping[str, Any]


def plan_step(deployment: Object, pods: Iterable[Object]) -> Step:
    """The next step towards the Deployment's template and number of replicas.

    `pods` may be those of anyone. Pods that are ending, or have ended, no longer count.
    """
    mine = [pod for pod in pods if owns(deployment, pod) and _active(pod)]
    revision = template_hash(deployment["spec"]["template"])
    new = [pod for pod in mine if labels_of(pod).get(HASH_LABEL) == revision]
    old = [pod for pod in mine if labels_of(pod).get(HASH_LABEL) != revision]
    wanted = _replicas(deployment)
    surge, unavailable = _rolling(deployment, wanted)

    missing = max(0, min(wanted - len(new), wanted + (surge if old else 0) - len(mine)))
    # Above the number wanted, whoever is not ready goes first, then the youngest.
    surplus = _cheapest(new)[: max(0, len(new) - wanted)]
    retired = _retired(new, old, wanted - unavailable)
    return Step(
        create=tuple(_pod(deployment, revision) for _ in range(missing)),
        delete=(*surplus, *retired),
        status=_status(deployment, new, mine),
    )


def owns(deployment: Object, pod: Object) -> bool:
    """Whether the Deployment has made the pod, and the pod still has the labels that it asks for."""
    selector = LabelSelector.equal_to((deployment["spec"].get("selector") or {}).get("matchLabels") or {})
    return deployment["metadata"]["uid"] in owners(DEPLOYMENT, pod) and selector.matches(labels_of(pod))


def is_orphan(pod: Object, deployments: Iterable[str]) -> bool:
    """Whether the pod was made by a Deployment that is none of these, given by uid."""
    mine = owners(DEPLOYMENT, pod)
    return bool(mine) and mine.isdisjoint(deployments)


def template_hash(template: Mapping[str, Any]) -> str:
    """Ten letters that tell pods of one template from those of another; in the pods' names, and a label of theirs."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:10])


def ready(pod: Object) -> bool:
    """Whether the Pod's Ready condition is true."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def with_refusal(status: Mapping[str, Any], refusal: str | None) -> Mapping[str, Any]:
    """The status of a Deployment whose pods the API server forbids, for this reason."""
    if refusal is None:
        return status
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refusal}
    return {**status, "conditions": [*status["conditions"], failure]}


def _retired(new: list[Object], old: list[Object], least: int) -> list[Object]:
    """Old pods that can go while `least` pods stay ready: first those that are not ready themselves."""
    not_ready_new = sum(not ready(pod) for pod in new)
    spare = max(0, len(new) + len(old) - least - not_ready_new)
    failing = [pod for pod in old if not ready(pod)][:spare]
    spare_ready = max(0, sum(map(ready, [*new, *old])) - least)
    serving = _cheapest(filter(ready, old))[: min(spare_ready, spare - len(failing))]
    return [*failing, *serving]


def _active(pod: Object) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return "deletionTimestamp" not in pod["metadata"] and phase not in {"Succeeded", "Failed"}


def _cheapest(pods: Iterable[Object]) -> list[Object]:
    """In the order in which pods are given up."""
    youngest_first = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)
    return sorted(youngest_first, key=ready)


def _replicas(deployment: Object) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _rolling(deployment: Object, wanted: int) -> tuple[int, int]:
    """How many pods there may be above the number wanted, and how many may be missing; never none of both."""
    strategy = deployment["spec"].get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    surge = _part(rolling.get("maxSurge", "25%"), wanted, up=True)
    unavailable = _part(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    return surge, unavailable if surge or unavailable else 1


def _part(value: int | str, of: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%")) * of
    return -(-percent // 100) if up else percent // 100


def _pod(deployment: Object, revision: str) -> dict[str, Any]:
    template, metadata = deployment["spec"]["template"], deployment["metadata"]
    its_metadata = template.get("metadata") or {}
    labels = {**(its_metadata.get("labels") or {}), HASH_LABEL: revision}
    annotations = its_metadata.get("annotations")
    return {
        "metadata": {
            "generateName": f"{metadata['name']}-{revision}-",
            "namespace": metadata["namespace"],
            "labels": labels,
            **({"annotations": annotations} if annotations else {}),
            "ownerReferences": [reference(DEPLOYMENT, deployment)],
        },
        "spec": template["spec"],
        "status": {"phase": "Pending"},
    }


def _status(deployment: Object, new: list[Object], mine: list[Object]) -> dict[str, Any]:
    up, wanted = sum(map(ready, mine)), _replicas(deployment)
    counts = {
        "replicas": len(mine),
        "updatedReplicas": len(new),
        "readyReplicas": up,
        "availableReplicas": up,
        "unavailableReplicas": max(0, wanted - up),
    }
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **counts,
        "conditions": [{"type": "Available", "status": str(up >= wanted - _rolling(deployment, wanted)[1])}],
    }
