"""How a pod is deleted: with time for what is in flight, or at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from .kinds import POD, Key, Object
from .store import Store

_USUAL_GRACE_S: Final = 30


def delete_pod(
    store: Store, place: Key, grace_s: int | None, preconditions: Mapping[str, Any] = MappingProxyType({})
) -> Object:
    """Mark it, with the time that it is given, or that it asks for; remove it where that is none, or it is on no node.

    Returns it as it is then. Its node removes it, with a grace period of 0, when it has ended. Raises as the store.
    """
    current = store.get(POD, *place)
    spec = current.get("spec") or {}
    if grace_s == 0 or not spec.get("nodeName"):
        return store.delete(POD, *place, preconditions)
    if "deletionTimestamp" in current["metadata"]:
        return current
    if grace_s is None:
        grace_s = spec.get("terminationGracePeriodSeconds", _USUAL_GRACE_S)
    gone_at = datetime.now(UTC) + timedelta(seconds=grace_s)
    marks = {
        **preconditions,
        "deletionTimestamp": gone_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "deletionGracePeriodSeconds": grace_s,
    }
    return store.patch(POD, *place, {"metadata": marks})
