"""What becomes of what an object has made when it is deleted.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from typing import Final

from .kinds import JOB, KINDS, Kind, Object, key_of
from .store import Store
from .store_errors import InvalidError

_POLICIES: Final = ("Foreground", "Background", "Orphan")

WARNING: Final = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them "
    "or set propagationPolicy=Orphan to suppress this warning"
)


def leaves(kind: Kind, policy: str | None) -> bool:
    """Whether what an object has made stays when it is deleted by such a policy, or without one; raises `InvalidError`.

    What a Job has made stays, unless one says otherwise: so it was when Jobs were new.
    """
    if policy is None:
        return kind == JOB
    if policy not in _POLICIES:
        supported = ", ".join(f'"{each}"' for each in _POLICIES)
        fault = f'propagationPolicy: Unsupported value: "{policy}": supported values: {supported}'
        raise InvalidError(f'DeleteOptions.meta.k8s.io "" is invalid: {fault}')
    return policy == "Orphan"


def release(store: Store, owner: Object) -> None:
    """Take an owner away from what it has made."""
    namespace, uid = key_of(owner)[0], owner["metadata"]["uid"]
    for kind in KINDS:
        for obj in store.list(kind, namespace):
            known = obj["metadata"].get("ownerReferences") or []
            kept = [each for each in known if each["uid"] != uid]
            if kept != known:
                store.patch(kind, *key_of(obj), {"metadata": {"ownerReferences": kept or None}})
