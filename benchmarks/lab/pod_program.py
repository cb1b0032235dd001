"""What a Pod's first container runs here: which module, with which options and environment; pure.

A container's command has to be `python -m MODULE`, of ours; without one it is that of our image (see Dockerfile), whose
first argument is the module, or `services.provider`. All pods share one kernel: whoever listens at every address is
told the pod's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .kinds import Object, labels_of
from .manifests import ZONE_LABEL

PROVIDER: Final = "services.provider"
_OURS: Final = ("services.", "discovery.", "benchmarks.")
_LISTENERS: Final = frozenset({PROVIDER, "services.consumer"})
_EVERYWHERE: Final = re.compile(r"0\.0\.0\.0(:\d+)")
_REFERENCE: Final = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)")
_ENTRY_OF_MAP: Final = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")

_FIELDS: Final[Mapping[str, Callable[[Object], str]]] = {
    "metadata.name": lambda pod: str(pod["metadata"]["name"]),
    "metadata.namespace": lambda pod: str(pod["metadata"]["namespace"]),
    "metadata.uid": lambda pod: str(pod["metadata"]["uid"]),
    "spec.nodeName": lambda pod: str(pod["spec"]["nodeName"]),
    "spec.serviceAccountName": lambda pod: str(pod["spec"].get("serviceAccountName", "")),
}


class NotRunnable(Exception):
    """The container cannot run; `reason` as a waiting container's state has it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Program:
    """A module, its options, and what is in its environment next to what every pod has.

    by_default: whether the container does not say what it runs
    """

    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    by_default: bool = False


def program_of(pod: Object, address: str) -> Program:
    """That of a pod on a node, with its address. Raises `NotRunnable`."""
    container = pod["spec"]["containers"][0]
    environment = _environment(pod, container, address)
    command, arguments = (
        [_expanded(word, environment) for word in container.get(field) or ()] for field in ("command", "args")
    )
    if command:
        module, arguments = _module(command), [*command[3:], *arguments]
    elif arguments and arguments[0].startswith(_OURS):
        module, *arguments = arguments
    else:
        return Program(PROVIDER, tuple(arguments), environment, by_default=True)
    arguments = [_EVERYWHERE.sub(rf"{address}\1", word) for word in arguments]
    if module in _LISTENERS:
        arguments += ["--host", address]
    return Program(module, tuple(arguments), environment)


def _module(command: list[str]) -> str:
    if len(command) < 3 or command[0] not in {"python", "python3"} or command[1] != "-m":
        raise NotRunnable("CreateContainerError", f"the lab runs `python -m MODULE` alone, and not {command}")
    if not command[2].startswith(_OURS):
        known = ", ".join(f"{prefix}*" for prefix in _OURS)
        raise NotRunnable("CreateContainerError", f"the lab runs {known}, and not {command[2]}")
    return command[2]


def _environment(pod: Object, container: Object, address: str) -> dict[str, str]:
    """Who the pod is, and what its container says; a variable may refer to those before it."""
    metadata = pod["metadata"]
    environment = {
        "POD_NAME": metadata["name"],
        "POD_NAMESPACE": metadata["namespace"],
        "NODE_NAME": pod["spec"]["nodeName"],
        "ZONE": labels_of(pod).get(ZONE_LABEL, ""),
    }
    if container.get("envFrom"):
        raise NotRunnable("CreateContainerConfigError", "the lab knows no envFrom: name each variable in env")
    for variable in container.get("env") or ():
        if source := variable.get("valueFrom"):
            value = _value_from(pod, source, address)
        else:
            value = _expanded(variable.get("value") or "", environment)
        environment[variable["name"]] = value
    return environment


def _value_from(pod: Object, source: Mapping[str, Any], address: str) -> str:
    """https://kubernetes.io/docs/concepts/workloads/pods/downward-api/"""
    path = (source.get("fieldRef") or {}).get("fieldPath", "")
    if path == "status.podIP":
        return address
    if path in _FIELDS:
        return _FIELDS[path](pod)
    if entry := _ENTRY_OF_MAP.fullmatch(path):
        return str((pod["metadata"].get(entry[1]) or {}).get(entry[2], ""))
    raise NotRunnable("CreateContainerConfigError", f"the lab cannot tell a variable's value from {dict(source)}")


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` stands for a variable, `$$` for a dollar; what is not known stays as it is."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else environment.get(match[1], match[0])

    return _REFERENCE.sub(value, text)
