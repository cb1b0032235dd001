"""Who made an object, by `metadata.ownerReferences`; pure."""

from __future__ import annotations

from typing import Any

from .kinds import Kind, Object


def reference(kind: Kind, owner: Object) -> dict[str, Any]:
    """The entry of what the owner makes."""
    named = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    head = {"apiVersion": kind.api_version, "kind": kind.name}
    return {**head, **named, "controller": True, "blockOwnerDeletion": True}


def owners(kind: Kind, obj: Object) -> set[str]:
    """The uids of those of its owners that are of a kind."""
    return {each["uid"] for each in obj["metadata"].get("ownerReferences") or () if each["kind"] == kind.name}
