"""What is decided of a new object before it is stored: whether its namespace takes it, and who its pod is."""

from __future__ import annotations

from collections.abc import Mapping

from . import namespaces
from .kinds import POD, SERVICE_ACCOUNT, Kind, Object
from .store import Store
from .store_errors import ForbiddenError, NotFoundError


def admitted(store: Store, kind: Kind, namespace: str, obj: Object) -> Object:
    """The object as it is let in; raises `NotFoundError` or `ForbiddenError`."""
    if not kind.namespaced:
        return obj
    name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
    namespaces.admit(store, kind, namespace, name)
    return _with_account(store, namespace, name, obj) if kind == POD else obj


def _with_account(store: Store, namespace: str, name: str, pod: Object) -> Object:
    """Each pod is a service account, which has to be there."""
    spec = pod.get("spec")
    if not isinstance(spec, Mapping):
        return pod
    account = spec.get("serviceAccountName") or "default"
    try:
        store.get(SERVICE_ACCOUNT, namespace, account)
    except NotFoundError:
        raise ForbiddenError(
            f'pods "{name}" is forbidden: error looking up service account {namespace}/{account}: '
            f'serviceaccount "{account}" not found'
        ) from None
    return {**pod, "spec": {**spec, "serviceAccountName": account}}
