"""SelfSubjectAccessReview: what `kubectl auth can-i` asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .rbac import Attempt, reason_for
from .store import Store
from .store_errors import InvalidError

PATH: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
KIND: Final = {"group": "authorization.k8s.io", "version": "v1", "kind": "SelfSubjectAccessReview"}


def reviewed(store: Store, user: str, review: Mapping[str, Any]) -> dict[str, Any]:
    """The review, completed with whether the user may do what it asks; raises `InvalidError`."""
    spec = review.get("spec") or {}
    asked = spec.get("resourceAttributes") if isinstance(spec, Mapping) else None
    if not isinstance(asked, Mapping):
        fault = "spec.resourceAttributes: Required value: this server knows the rights to resources alone"
        raise InvalidError(f'{KIND["kind"]}.{KIND["group"]} "" is invalid: {fault}')
    fields = ("verb", "group", "resource", "subresource", "namespace", "name")
    reason = reason_for(store, Attempt(user, *(str(asked.get(field) or "") for field in fields)))
    status: dict[str, Any] = {"allowed": reason is not None, **({"reason": reason} if reason else {})}
    head = {"kind": KIND["kind"], "apiVersion": f"{KIND['group']}/{KIND['version']}"}
    return {**head, "metadata": review.get("metadata") or {}, "spec": spec, "status": status}
