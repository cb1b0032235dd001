"""On which node a pod is put; pure.

What https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ says of `nodeSelector`, and of nodes that
are cordoned. Of those that are left, the one with the fewest pods takes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .kinds import Object, labels_of
from .label_selectors import LabelSelector

SCHEDULER = "default-scheduler"


class Unschedulable(Exception):
    """No node takes the pod; the message has the form of the real scheduler's."""


def node_for(pod: Object, nodes: Sequence[Object], pods: Iterable[Object]) -> str:
    """The name of the node; `pods` are all that there are. Raises `Unschedulable`."""
    refusals = {node["metadata"]["name"]: _refusal(pod, node) for node in nodes}
    taken = Counter(
        (other.get("spec") or {}).get("nodeName")
        for other in pods
        if (other.get("status") or {}).get("phase") not in _OVER
    )
    free = [name for name, refusal in refusals.items() if refusal is None]
    if free:
        return str(min(free, key=lambda name: taken[name]))
    reasons = sorted(f"{count} node(s) {reason}" for reason, count in Counter(refusals.values()).items())
    raise Unschedulable(
        f"0/{len(nodes)} nodes are available: {', '.join(reasons)}." if nodes else "no nodes available to schedule pods"
    )


_OVER = frozenset({"Succeeded", "Failed"})


def _refusal(pod: Object, node: Object) -> str | None:
    if (node.get("spec") or {}).get("unschedulable"):
        return "were unschedulable"
    wanted = (pod.get("spec") or {}).get("nodeSelector") or {}
    if not LabelSelector.equal_to(wanted).matches(labels_of(node)):
        return "didn't match Pod's node affinity/selector"
    return None
