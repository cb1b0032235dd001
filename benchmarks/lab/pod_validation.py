"""What the API server refuses in a Pod, or in the template of one: what its node could not take; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .kinds import Object

Fault = tuple[str, str]
"""A field, and what is wrong with it."""

_POLICIES: Final = ("Always", "OnFailure", "Never")


def faults_of_pod(pod: Object, path: str = "spec") -> Iterator[Fault]:
    """Those of a pod whose spec is at the path. One without containers is let in: nothing is started for it."""
    spec = pod.get("spec") or {}
    if not isinstance(spec, Mapping):
        yield path, "Invalid value: must be an object"
        return
    if not is_labels(spec.get("nodeSelector")):
        yield f"{path}.nodeSelector", "Invalid value: must map strings to strings"
    if spec.get("restartPolicy", "Always") not in _POLICIES:
        supported = ", ".join(f'"{each}"' for each in _POLICIES)
        yield f"{path}.restartPolicy", f'Unsupported value: "{spec["restartPolicy"]}": supported values: {supported}'
    if not _is_time(spec.get("terminationGracePeriodSeconds")):
        yield f"{path}.terminationGracePeriodSeconds", "Invalid value: must be greater than or equal to 0"
    containers = spec.get("containers") or []
    if not isinstance(containers, list):
        yield f"{path}.containers", "Invalid value: must be a list"
        return
    for number, container in enumerate(containers):
        where = f"{path}.containers[{number}]"
        if isinstance(container, Mapping):
            yield from _of_container(container, where)
        else:
            yield where, "Invalid value: must be an object"


def is_words(value: Any) -> bool:
    """A list of strings, or nothing."""
    return value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def is_labels(value: Any) -> bool:
    """Strings by string, or nothing."""
    return value is None or (isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values()))


def is_port(value: Any) -> bool:
    return isinstance(value, int) and 0 < value < 2**16


def _of_container(container: Mapping[str, Any], where: str) -> Iterator[Fault]:
    for field in ("command", "args"):
        if not is_words(container.get(field)):
            yield f"{where}.{field}", "Invalid value: must be a list of strings"
    if not isinstance(container.get("image", ""), str):
        yield f"{where}.image", "Invalid value: must be a string"
    for number, port in enumerate(container.get("ports") or ()):
        if not isinstance(port, Mapping) or not is_port(port.get("containerPort")):
            at = f"{where}.ports[{number}].containerPort"
            yield at, "Invalid value: must be between 1 and 65535, inclusive"
    for number, variable in enumerate(container.get("env") or ()):
        yield from _of_variable(variable, f"{where}.env[{number}]")
    probe = container.get("readinessProbe")
    for kind in ("httpGet", "tcpSocket"):
        action = (probe or {}).get(kind) if isinstance(probe or {}, Mapping) else None
        if action is not None and not _has_port(action):
            at = f"{where}.readinessProbe.{kind}.port"
            yield at, "Invalid value: must be a name, or between 1 and 65535, inclusive"
    if not _is_time(_at(container, "lifecycle", "preStop", "sleep", "seconds")):
        yield f"{where}.lifecycle.preStop.sleep.seconds", "Invalid value: must be greater than or equal to 0"


def _of_variable(variable: Any, where: str) -> Iterator[Fault]:
    if not isinstance(variable, Mapping) or not isinstance(variable.get("name"), str) or not variable["name"]:
        yield f"{where}.name", "Required value"
    elif not isinstance(variable.get("value") or "", str):
        yield f"{where}.value", "Invalid value: must be a string"
    elif not isinstance(variable.get("valueFrom") or {}, Mapping):
        yield f"{where}.valueFrom", "Invalid value: must be an object"


def _has_port(action: Any) -> bool:
    port = action.get("port") if isinstance(action, Mapping) else None
    return is_port(port) or (isinstance(port, str) and bool(port))


def _is_time(value: Any) -> bool:
    return value is None or (isinstance(value, int) and value >= 0)


def _at(value: Any, *fields: str) -> Any:
    for field in fields:
        value = value.get(field) if isinstance(value, Mapping) else None
    return value
