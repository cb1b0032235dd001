"""The API server's memory: versioned objects of every kind, and the history of their changes.

No I/O, and no thread safety: everything happens on one asyncio loop. Rules and messages are the real API
server's (https://kubernetes.io/docs/reference/using-api/api-concepts/), down to what a refused write says.
"""

import random
import re
import uuid
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from .history import Change, History, Watch
from .kinds import Kind, Object, key_of
from .label_selectors import EVERYTHING, Selector
from .patches import merge_patch
from .store_errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes builds generated names from
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_OWNED_FIELDS = ("uid", "generation", "creationTimestamp", "resourceVersion")


class Store:
    """Objects by kind, namespace and name; every change has a version, greater than all before it.

    The namespace of an object of a kind that knows none is empty.

    Stored objects are never changed, only replaced, so that readers share them without copying.
    `history` is how many changes are kept for readers; one that is further behind gets `ExpiredError`.
    """

    def __init__(self, *, history: int = 10_000) -> None:
        self._objects: dict[tuple[Kind, str, str], Object] = {}
        self._history = History(history)

    @property
    def version(self) -> int:
        """The version of the last change."""
        return self._history.version

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """Raises `NotFoundError`."""
        try:
            return self._objects[kind, namespace, name]
        except KeyError:
            raise NotFoundError(f'{kind.qualified} "{name}" not found') from None

    def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        selector: Selector = EVERYTHING,
        version: int | None = None,
    ) -> tuple[Object, ...]:
        """The kind's matching objects, of one namespace or of all, ordered by namespace and name.

        As they are, or as they were at an earlier version; raises `ExpiredError` if the history does not reach there.
        """
        objects = {place[1:]: obj for place, obj in self._objects.items() if place[0] == kind}
        if version is not None:
            for event in reversed(self._history.after(version)):
                if event.kind != kind:
                    continue
                if event.previous is None:
                    del objects[key_of(event.object)]
                else:
                    objects[key_of(event.object)] = event.previous
        found = (obj for key, obj in objects.items() if namespace in {None, key[0]} and selector.selects(obj))
        return tuple(sorted(found, key=key_of))

    def create(
        self, kind: Kind, namespace: str, obj: Object, complete: Callable[[Object], Object] = lambda obj: obj
    ) -> Object:
        """Store a new object, named by `metadata.name` or `metadata.generateName`.

        `complete` fills in what depends on its name and uid. Raises `AlreadyExistsError` or `InvalidError`.
        """
        metadata = obj["metadata"]
        name = str(metadata.get("name") or self._generated_name(kind, namespace, metadata.get("generateName")))
        stored = _stored(kind, obj, namespace, name)
        if (kind, namespace, name) in self._objects:
            raise AlreadyExistsError(f'{kind.qualified} "{name}" already exists')
        stored["metadata"] |= {
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return self._commit("ADDED", kind, dict(complete(stored)), None)

    def update(self, kind: Kind, namespace: str, obj: Object) -> Object:
        """Replace an object; one that changes nothing commits nothing.

        Raises `NotFoundError`, `InvalidError`, or `ConflictError` where `metadata.resourceVersion` or
        `metadata.uid` is given and is not the current one.
        """
        name = obj["metadata"]["name"]
        current = self.get(kind, namespace, name)
        _check_preconditions(kind, name, current, obj["metadata"])
        stored = _stored(kind, obj, namespace, name)
        stored["metadata"] |= {field: current["metadata"][field] for field in _OWNED_FIELDS}
        if stored == current:
            return current
        if _content(stored) != _content(current):
            stored["metadata"]["generation"] += 1
        return self._commit("MODIFIED", kind, stored, current)

    def patch(self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any]) -> Object:
        """Apply a JSON merge patch (RFC 7386); raises as `update` does."""
        return self.change(kind, namespace, name, lambda current: merge_patch(current, patch))

    def change(self, kind: Kind, namespace: str, name: str, change: Callable[[Object], Any]) -> Object:
        """Replace an object by what a function, a patch say, makes of it; raises as `update` and the function do."""
        changed = change(self.get(kind, namespace, name))
        metadata = changed.get("metadata") if isinstance(changed, dict) else None
        if not isinstance(metadata, dict) or metadata.get("name") != name:
            raise InvalidError(f'{kind.name} "{name}" is invalid: metadata.name: field is immutable')
        return self.update(kind, namespace, changed)

    def delete(
        self, kind: Kind, namespace: str, name: str, preconditions: Mapping[str, Any] = MappingProxyType({})
    ) -> Object:
        """Remove an object and return its last state.

        Raises `NotFoundError`, or `ConflictError` where a `uid` or `resourceVersion` given is not the current one.
        """
        current = self.get(kind, namespace, name)
        _check_preconditions(kind, name, current, preconditions)
        return self._commit("DELETED", kind, {**current, "metadata": {**current["metadata"]}}, current)

    def compact(self) -> None:
        """Forget the history: who has not read up to the current version has to list again."""
        self._history.compact()

    def undo(self, changes: int) -> None:
        """Go back to how everything was so many changes ago, or as far as the history reaches, version included."""
        for event in self._history.undo(changes):
            key = (event.kind, *key_of(event.object))
            if event.previous is None:
                del self._objects[key]
            else:
                self._objects[key] = event.previous

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        selector: Selector = EVERYTHING,
        version: int | None = None,
    ) -> Watch:
        """Follow the changes after `version`; without it, those from now on."""
        return self._history.watch(kind, namespace, selector, self.version if version is None else version)

    def _commit(self, change: Change, kind: Kind, obj: dict[str, Any], previous: Object | None) -> Object:
        obj["metadata"]["resourceVersion"] = str(self.version + 1)
        key = (kind, *key_of(obj))
        if change == "DELETED":
            del self._objects[key]
        else:
            self._objects[key] = obj
        self._history.commit(change, kind, obj, previous)
        return obj

    def _generated_name(self, kind: Kind, namespace: str, prefix: str | None) -> str:
        if not prefix:
            raise InvalidError(f"{kind.name} is invalid: metadata.name: name or generateName is required")
        while True:
            name = prefix + "".join(random.choices(_SUFFIX_LETTERS, k=5))
            if (kind, namespace, name) not in self._objects:
                return name


def _stored(kind: Kind, obj: Object, namespace: str, name: str) -> dict[str, Any]:
    """A copy in the form in which objects are kept; raises `InvalidError`."""
    if not _NAME.fullmatch(name):
        raise InvalidError(
            f'{kind.name} "{name}" is invalid: metadata.name: must consist of lower case letters, digits, '
            "'-' and '.', and begin and end with a letter or digit"
        )
    labels: object = obj["metadata"].get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise InvalidError(f'{kind.name} "{name}" is invalid: metadata.labels: must map strings to strings')
    stored = {**deepcopy(dict(obj)), "kind": kind.name, "apiVersion": kind.api_version}
    stored["metadata"] |= {"name": name, "namespace": namespace} if kind.namespaced else {"name": name}
    return stored


def _content(obj: Object) -> Object:
    """The part whose changes `metadata.generation` counts."""
    return {field: value for field, value in obj.items() if field not in {"metadata", "status"}}


def _check_preconditions(kind: Kind, name: str, current: Object, wanted: Mapping[str, Any]) -> None:
    """A writer may tell, by uid and by version, which object it has in mind."""
    refused = f'Operation cannot be fulfilled on {kind.qualified} "{name}": '
    uid, version = current["metadata"]["uid"], current["metadata"]["resourceVersion"]
    if (wanted.get("uid") or uid) != uid:
        raise ConflictError(
            f"{refused}Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {uid}"
        )
    if (wanted.get("resourceVersion") or version) != version:
        raise ConflictError(
            f"{refused}the object has been modified; please apply your changes to the latest version and try again"
        )
