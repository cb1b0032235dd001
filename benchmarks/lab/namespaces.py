"""The life of namespaces: what each begins with, what is let into it, and how it ends.

https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/, with the admission plug-in
NamespaceLifecycle, and the controllers that give a namespace its service account and that empty it, at once here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from .kinds import KINDS, NAMESPACE, POD, SERVICE_ACCOUNT, Kind, Object, key_of
from .pod_deletion import delete_pod
from .store import Store
from .store_errors import ForbiddenError, NotFoundError

_LASTING: Final = ("default", "kube-system", "kube-public")
_STANDARD: Final = (*_LASTING, "kube-node-lease")


def create_standard(store: Store) -> None:
    """Those that every cluster has."""
    present = {key_of(each)[1] for each in store.list(NAMESPACE)}
    for name in _STANDARD:
        if name not in present:
            create(store, {"metadata": {"name": name}})


def create(store: Store, namespace: Object) -> Object:
    """Create a namespace, with its service account `default`; raises as the store does."""
    created = store.create(NAMESPACE, "", namespace, _completed)
    store.create(SERVICE_ACCOUNT, key_of(created)[1], {"metadata": {"name": "default"}})
    return created


def admit(store: Store, kind: Kind, namespace: str, name: str) -> None:
    """Raises `NotFoundError` or `ForbiddenError` where nothing can be created in a namespace."""
    found = store.get(NAMESPACE, "", namespace)
    if "deletionTimestamp" in found["metadata"]:
        raise ForbiddenError(
            f'{kind.qualified} "{name}" is forbidden: unable to create new content in namespace {namespace} '
            "because it is being terminated"
        )


def terminate(store: Store, name: str) -> Object:
    """Begin to delete a namespace: it is emptied, and goes with the last of its pods. Returns it as marked.

    Raises `NotFoundError`, or `ForbiddenError` for those that no cluster can do without.
    """
    current = store.get(NAMESPACE, "", name)
    if name in _LASTING:
        raise ForbiddenError(f'namespaces "{name}" is forbidden: this namespace may not be deleted')
    if "deletionTimestamp" in current["metadata"]:
        return current
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    mark = {"metadata": {"deletionTimestamp": now}, "status": {"phase": "Terminating"}}
    marked = store.patch(NAMESPACE, "", name, mark)
    for kind in KINDS:
        for obj in store.list(kind, name):
            if kind == POD:
                delete_pod(store, key_of(obj), None)
            else:
                store.delete(kind, *key_of(obj))
    finish(store, name)
    return marked


def finish(store: Store, name: str) -> None:
    """Remove a namespace that is being deleted, if nothing is left in it."""
    try:
        current = store.get(NAMESPACE, "", name)
    except NotFoundError:
        return
    if "deletionTimestamp" in current["metadata"] and not any(store.list(kind, name) for kind in KINDS):
        store.delete(NAMESPACE, "", name)


def _completed(namespace: Object) -> Object:
    metadata, name = namespace["metadata"], namespace["metadata"]["name"]
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": name}
    spec = {**(namespace.get("spec") or {}), "finalizers": ["kubernetes"]}
    return {**namespace, "metadata": {**metadata, "labels": labels}, "spec": spec, "status": {"phase": "Active"}}
