"""What the API server refuses: what the lab's controllers, or it itself where it authorises, could not take; pure.

Real servers check much more. Messages have the form of theirs.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from .kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, DEPLOYMENT, JOB, POD, ROLE, ROLE_BINDING, SERVICE, Kind, Object
from .pod_validation import faults_of_pod, is_labels, is_port, is_words
from .store_errors import InvalidError

_PART = re.compile(r"\d+%")
_NUMBERS_OF_JOB = ("completions", "parallelism", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")
_NOT_OF_JOB = frozenset(
    {
        "suspend",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
        "podFailurePolicy",
        "successPolicy",
        "managedBy",
        "manualSelector",
    }
)


def check(kind: Kind, obj: Object) -> None:
    """Raises `InvalidError`, which names the first field that is wrong."""
    if find := _FAULTS.get(kind):
        for field, fault in find(obj):
            name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
            raise InvalidError(f'{kind.name} "{name}" is invalid: {field}: {fault}')


def _of_service(service: Object) -> Iterator[tuple[str, str]]:
    spec = service.get("spec")
    if not isinstance(spec, Mapping):
        yield "spec", "Required value"
        return
    if not is_labels(spec.get("selector")):
        yield "spec.selector", "Invalid value: must map strings to strings"
    for number, port in enumerate(spec.get("ports") or ()):
        if not isinstance(port, Mapping) or not is_port(port.get("port")):
            yield f"spec.ports[{number}].port", "Invalid value: must be between 1 and 65535, inclusive"
        elif not (isinstance(port.get("targetPort", ""), str) or is_port(port["targetPort"])):
            yield f"spec.ports[{number}].targetPort", "Invalid value: must be a name, or between 1 and 65535, inclusive"


def _of_deployment(deployment: Object) -> Iterator[tuple[str, str]]:
    spec = deployment.get("spec")
    if not isinstance(spec, Mapping):
        yield "spec", "Required value"
        return
    replicas = spec.get("replicas", 1)
    if not isinstance(replicas, int) or replicas < 0:
        yield "spec.replicas", "Invalid value: must be greater than or equal to 0"
    selector, template = spec.get("selector") or {}, spec.get("template") or {}
    wanted, labels = selector.get("matchLabels"), (template.get("metadata") or {}).get("labels")
    if not wanted or not is_labels(wanted) or selector.get("matchExpressions"):
        yield "spec.selector", "Invalid value: this server's Deployments need matchLabels, and know nothing else"
    elif not is_labels(labels) or not wanted.items() <= (labels or {}).items():
        yield "spec.template.metadata.labels", "Invalid value: `selector` does not match template `labels`"
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    for field in ("maxSurge", "maxUnavailable"):
        value = rolling.get(field, 0)
        if not (isinstance(value, int) or (isinstance(value, str) and _PART.fullmatch(value))):
            yield f"spec.strategy.rollingUpdate.{field}", "Invalid value: must be a whole number or a percentage"
    if not (template.get("spec") or {}).get("containers"):
        yield "spec.template.spec.containers", "Required value"
    if (policy := (template.get("spec") or {}).get("restartPolicy", "Always")) != "Always":
        fault = f'Unsupported value: "{policy}": supported values: "Always"'
        yield "spec.template.spec.restartPolicy", fault
    yield from faults_of_pod(template, "spec.template.spec")


def _of_job(job: Object) -> Iterator[tuple[str, str]]:
    spec = job.get("spec")
    if not isinstance(spec, Mapping):
        yield "spec", "Required value"
        return
    if spec.get("completionMode") != "Indexed":
        yield "spec.completionMode", 'Invalid value: this server\'s Jobs are "Indexed", and nothing else'
    if spec.get("completions") is None:
        yield "spec.completions", "Required value: when completion mode is Indexed"
    for field in _NUMBERS_OF_JOB:
        value = spec.get(field, 0)
        if not isinstance(value, int) or value < 0:
            yield f"spec.{field}", f"Invalid value: {value!r}: must be greater than or equal to 0"
    for field in sorted(_NOT_OF_JOB & spec.keys()):
        if spec[field]:
            yield f"spec.{field}", "Invalid value: this server's Jobs know nothing of it"
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    if not pod.get("containers"):
        yield "spec.template.spec.containers", "Required value"
    if pod.get("restartPolicy") != "Never":
        where, known = "spec.template.spec.restartPolicy", "this server's Jobs need Never"
        yield where, f'Unsupported value: "{pod.get("restartPolicy", "Always")}": {known}'
    yield from faults_of_pod(template, "spec.template.spec")


def _of_role(role: Object) -> Iterator[tuple[str, str]]:
    rules = role.get("rules") or []
    for number, rule in enumerate(rules if isinstance(rules, list) else [rules]):
        if not isinstance(rule, Mapping):
            yield f"rules[{number}]", "Invalid value: must be an object"
            continue
        for field in ("verbs", "apiGroups", "resources", "resourceNames"):
            if not is_words(rule.get(field)):
                yield f"rules[{number}].{field}", "Invalid value: must be a list of strings"
        if not rule.get("verbs"):
            yield f"rules[{number}].verbs", "Required value: verbs must contain at least one value"


def _of_binding(binding: Object) -> Iterator[tuple[str, str]]:
    role = binding.get("roleRef")
    if not isinstance(role, Mapping) or role.get("kind") not in {ROLE.name, CLUSTER_ROLE.name}:
        yield "roleRef.kind", 'Unsupported value: supported values: "Role", "ClusterRole"'
    elif not role.get("name"):
        yield "roleRef.name", "Required value"
    subjects = binding.get("subjects") or []
    for number, subject in enumerate(subjects if isinstance(subjects, list) else [subjects]):
        if not isinstance(subject, Mapping) or subject.get("kind") not in {"User", "Group", "ServiceAccount"}:
            yield f"subjects[{number}].kind", 'Unsupported value: supported values: "ServiceAccount", "User", "Group"'
        elif not subject.get("name"):
            yield f"subjects[{number}].name", "Required value"


_FAULTS: dict[Kind, Callable[[Object], Iterator[tuple[str, str]]]] = {
    SERVICE: _of_service,
    POD: faults_of_pod,
    DEPLOYMENT: _of_deployment,
    JOB: _of_job,
    ROLE: _of_role,
    CLUSTER_ROLE: _of_role,
    ROLE_BINDING: _of_binding,
    CLUSTER_ROLE_BINDING: _of_binding,
}
