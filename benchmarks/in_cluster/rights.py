"""What the command needs to be allowed, and whether it is."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.lab.background import together
from benchmarks.lab.client import ApiClient, ApiError
from benchmarks.lab.errors import LabError
from benchmarks.lab.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    JOB,
    LEASE,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)

_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Right(NamedTuple):
    """To do this to objects of a kind: in the command's own namespace, or in the whole cluster if they are in none."""

    verb: str
    kind: Kind
    subresource: str = ""

    @property
    def what(self) -> str:
        """As `kubectl auth can-i` names it."""
        group = f".{self.kind.group}" if self.kind.group else ""
        return self.kind.plural + group + (f"/{self.subresource}" if self.subresource else "")

    def __str__(self) -> str:
        return f"{self.verb} {self.what}"


RIGHTS = (
    *(Right(verb, NAMESPACE) for verb in ("create", "get", "list", "delete")),
    *(
        Right("create", kind)
        for kind in (SERVICE_ACCOUNT, SERVICE, ROLE, ROLE_BINDING, NETWORK_POLICY, POD_DISRUPTION_BUDGET)
    ),
    *(Right(verb, DEPLOYMENT) for verb in ("create", "patch", "list", "watch")),
    *(Right(verb, JOB) for verb in ("create", "delete")),
    *(Right(verb, LEASE) for verb in ("create", "get", "patch")),
    # What a client is allowed, too: nobody may give away what they do not have.
    *(Right(verb, CONFIG_MAP) for verb in ("create", "delete", "watch")),
    *(Right(verb, ENDPOINT_SLICE) for verb in ("list", "watch")),
    *(Right(verb, POD) for verb in ("list", "watch", "delete")),
    Right("get", POD, "log"),
)


async def check(api: ApiClient, namespace: str) -> None:
    """Raises LabError, which names all that is missing; where the server does not tell, nothing is."""
    allowed = await together(_allowed(api, right, namespace) for right in RIGHTS)
    missing = [right for right, is_allowed in zip(RIGHTS, allowed, strict=True) if not is_allowed]
    if missing:
        remedy = "the cluster's administrator can allow it, and --dry-run lists all that it takes"
        raise LabError(f"you may not {', '.join(map(str, missing))}: {remedy}")


async def _allowed(api: ApiClient, right: Right, namespace: str) -> bool:
    asked = {
        "verb": right.verb,
        "group": right.kind.group,
        "resource": right.kind.plural,
        "subresource": right.subresource,
        "namespace": namespace if right.kind.namespaced else "",
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": asked},
    }
    try:
        answer = await api.post(_REVIEW, body)
    except ApiError as error:
        if error.code == 404:
            return True
        raise
    return bool(answer["status"]["allowed"])
