"""What the patches that a Kubernetes API server takes make of an object; pure.

JSON patch (RFC 6902), JSON merge patch (RFC 7386), and Kubernetes' own strategic merge patch, which knows by what
key the items of a list are told apart. Nothing that is passed in is changed.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from .store_errors import InvalidError, MalformedPatchError

_MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    # A Service's ports and a container's.
    "ports": ("port", "containerPort"),
}
"""By what an item of a list is found, by the list's name; of several keys the one that the item has."""

_SETS = frozenset({"finalizers"})
"""Lists of plain values to which a strategic merge patch adds."""


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes a field, lists are replaced."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for field, value in patch.items():
        if value is None:
            merged.pop(field, None)
        else:
            merged[field] = merge_patch(merged.get(field), value)
    return merged


def strategic_merge_patch(target: Any, patch: Any) -> Any:
    """As a merge patch, but lists with a merge key are merged item by item, and directives are followed.

    `$patch: delete` and `$patch: replace`, `$deleteFromPrimitiveList/FIELD`, `$setElementOrder/FIELD` (which does
    nothing here: items stay where they are, new ones come last), `$retainKeys`. Raises `MalformedPatchError`.
    """
    if not isinstance(patch, Mapping):
        return patch
    directive = patch.get("$patch", "merge")
    if directive not in {"merge", "replace", "delete"}:
        raise MalformedPatchError(f"Unknown patch type in map: {directive}")
    merged = dict(target) if isinstance(target, Mapping) and directive == "merge" else {}
    if directive == "delete":
        return merged
    if (kept := patch.get("$retainKeys")) is not None:
        merged = {field: value for field, value in merged.items() if field in kept}
    for field, value in patch.items():
        operation, slash, of_field = field.partition("/")
        if slash and operation == "$deleteFromPrimitiveList":
            merged[of_field] = [item for item in merged.get(of_field) or [] if item not in value]
        elif field.startswith("$"):
            continue
        elif value is None:
            merged.pop(field, None)
        elif isinstance(value, list):
            merged[field] = _merged_list(field, merged.get(field) or [], value)
        else:
            merged[field] = strategic_merge_patch(merged.get(field), value)
    return merged


def _merged_list(field: str, current: list[Any], patch: list[Any]) -> list[Any]:
    if field in _SETS:
        return current + [item for item in patch if item not in current]
    changes = [item for item in patch if not isinstance(item, dict) or item.get("$patch") != "replace"]
    if field not in _MERGE_KEYS or len(changes) < len(patch):
        return changes
    merged = list(current)
    for change in changes:
        key = next((key for key in _MERGE_KEYS[field] if key in change), None)
        if key is None:
            wanted = " or ".join(_MERGE_KEYS[field])
            raise MalformedPatchError(f"map: {change} does not contain declared merge key: {wanted}")
        found = next((index for index, item in enumerate(merged) if item.get(key) == change[key]), None)
        if change.get("$patch") == "delete":
            merged = [item for item in merged if item.get(key) != change[key]]
        elif found is None:
            merged.append(strategic_merge_patch({}, change))
        else:
            merged[found] = strategic_merge_patch(merged[found], change)
    return merged


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902; raises `MalformedPatchError`, or `InvalidError` where an operation does not fit the object."""
    document = deepcopy(target)
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise MalformedPatchError("the patch must be a list of JSON patch operations")
    for operation in operations:
        document = _operated(document, operation)
    return document


def _operated(document: Any, operation: Mapping[str, Any]) -> Any:
    try:
        action, path = operation["op"], _pointer(operation["path"])
        if action not in {"add", "remove", "replace", "move", "copy", "test"}:
            raise MalformedPatchError(f"Unexpected kind: {action}")
        source = _pointer(operation["from"]) if action in {"copy", "move"} else path
        value = operation["value"] if action in {"add", "replace", "test"} else _found(document, source)
    except KeyError as error:
        raise MalformedPatchError(f"JSON patch operation {dict(operation)} lacks {error}") from None
    if action == "test":
        if _found(document, path) != value:
            raise InvalidError(f"the server rejected our request: testing value {operation['path']} failed")
        return document
    if action in {"remove", "move"}:
        document = _without(document, source)
    if action == "replace":
        _found(document, path)
    return document if action == "remove" else _with(document, path, deepcopy(value), insert=action != "replace")


def _pointer(text: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901)."""
    if text and not text.startswith("/"):
        raise MalformedPatchError(f"JSON pointer {text!r} must begin with '/'")
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _found(document: Any, path: list[str]) -> Any:
    for step in path:
        try:
            document = document[int(step) if isinstance(document, list) else step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise _misfit(path) from None
    return document


def _with(document: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent, step = _found(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[step] = value
        return document
    if not isinstance(parent, list) or not (step == "-" or (step.isdecimal() and int(step) <= len(parent))):
        raise _misfit(path)
    index = len(parent) if step == "-" else int(step)
    parent[index : index if insert else index + 1] = [value]
    return document


def _without(document: Any, path: list[str]) -> Any:
    _found(document, path)
    if not path:
        return None
    parent = _found(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    return document


def _misfit(path: list[str]) -> InvalidError:
    return InvalidError(f"the server rejected our request: the object has no path /{'/'.join(path)}")
