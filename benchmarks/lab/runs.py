"""What runs on an API server that others use too have there, and what dead ones have left.

Everything that a run makes outside of its namespace has the namespace's name, which so is the run's, and the labels of
`labels`. A run lives as long as it renews the Leases of its nodes, as kubelets do
(https://kubernetes.io/docs/reference/node/node-status/#heartbeats). Times are the server's, whatever our clock says.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from .background import together
from .client import ApiClient, ApiError
from .kinds import LEASE, NAMESPACE, NODE, POD, Kind, Object, labels_of
from .manifests import TAINT, ZONE_LABEL, Manifest, conditions

PREFIX: Final = "discovery-compare"
LEASES: Final = "kube-node-lease"
ZONES: Final = ("zone-a", "zone-b", "zone-c")
DEAD_S: Final = 60.0
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
COMPONENT: Final = "app.kubernetes.io/component"
_RUN: Final = "app.kubernetes.io/instance"
_OURS: Final = {MANAGED_BY: PREFIX, COMPONENT: "local-pods"}


def new_name() -> str:
    """A run's, that no other one has."""
    return f"{PREFIX}-{secrets.token_hex(4)}"


def nodes_of(run: str) -> tuple[str, ...]:
    """The names of its nodes, one for each zone."""
    return tuple(f"{run}-{number}" for number in range(len(ZONES)))


def labels(run: str) -> dict[str, str]:
    """Of all that is its own."""
    return {**_OURS, _RUN: run}


def namespace(run: str, notes: dict[str, str]) -> Manifest:
    """`notes` tell a reader who runs it."""
    annotations = {f"{PREFIX}/{name}": text for name, text in notes.items()}
    return {"metadata": {"name": run, "labels": labels(run), "annotations": annotations}}


def node(run: str, name: str, zone: str) -> Manifest:
    """One that nothing else is to be scheduled to, and that no load balancer sends anything to."""
    # Without an operating system's label, so that no DaemonSet of those that tolerate every taint has it either.
    own = {
        "kubernetes.io/hostname": name,
        ZONE_LABEL: zone,
        "node.kubernetes.io/exclude-from-external-load-balancers": "",
    }
    return {"metadata": {"name": name, "labels": {**labels(run), **own}}, "spec": {"taints": [TAINT]}}


def node_status() -> Manifest:
    """Of a node that is ready, and has no room, which pods that name it do not need."""
    return {"conditions": conditions(ready=True), "capacity": {"pods": "0"}, "allocatable": {"pods": "0"}}


def lease(run: str, node: Object, now: datetime) -> Manifest:
    """The sign of life of a node."""
    name, uid = node["metadata"]["name"], node["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": NODE.name, "name": name, "uid": uid}
    metadata = {"name": name, "labels": labels(run), "ownerReferences": [owner]}
    return {"metadata": metadata, "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, **renewal(now)}}


def renewal(now: datetime) -> Manifest:
    """What is written to a Lease's `spec` again and again."""
    return {"renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


async def left_behind(client: ApiClient, now: datetime) -> Sequence[str]:
    """The dead runs of which there is still something."""
    selector = ",".join([f"{label}={value}" for label, value in _OURS.items()] + [_RUN])
    found: dict[str, list[tuple[Kind, Object]]] = defaultdict(list)
    for kind, where in ((NAMESPACE, None), (NODE, None), (LEASE, LEASES)):
        for obj in (await client.list(kind, where, selector=selector)).items:
            if "deletionTimestamp" not in obj["metadata"]:
                found[labels_of(obj)[_RUN]].append((kind, obj))
    return [run for run, objects in found.items() if (now - _last_sign(objects)).total_seconds() > DEAD_S]


def _last_sign(objects: Iterable[tuple[Kind, Object]]) -> datetime:
    """The last renewal; where there is no Lease, as at the very start, when the last of them was made."""
    renewed = [obj["spec"].get("renewTime") for kind, obj in objects if kind == LEASE]
    made = [obj["metadata"]["creationTimestamp"] for _kind, obj in objects]
    return max(datetime.fromisoformat(text) for text in [text for text in renewed if text] or made).astimezone(UTC)


async def remove(client: ApiClient, run: str) -> None:
    """Delete all that is a run's; what is in its namespace goes with that, at the server's leisure.

    client  one to which it is no failure that something is gone already
    """
    # Nothing runs on these nodes that could confirm a pod's end, and a namespace waits for it.
    pods = (await client.list(POD, run)).items
    await together(client.delete(POD, run, pod["metadata"]["name"]) for pod in pods)
    await together(_delete(client, kind, where, name) for kind, where, name in _things(run))


async def _delete(client: ApiClient, kind: Kind, where: str, name: str) -> None:
    try:
        await client.delete(kind, where, name)
    except ApiError as error:
        if error.code != 409:  # a namespace that is being emptied already
            raise


def _things(run: str) -> list[tuple[Kind, str, str]]:
    nodes = nodes_of(run)
    return [
        (NAMESPACE, "", run),
        *((LEASE, LEASES, name) for name in nodes),
        *((NODE, "", name) for name in nodes),
    ]


def by_hand(run: str) -> str:
    """The commands that delete it."""
    names = " ".join(nodes_of(run))
    return f"kubectl delete namespace {run}; kubectl delete node {names}; kubectl delete lease -n {LEASES} {names}"
