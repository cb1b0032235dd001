"""What a command needs to be allowed by an API server, and whether it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.lab.background import together
from benchmarks.lab.client import ApiClient, ApiError
from benchmarks.lab.errors import LabError
from benchmarks.lab.kinds import Kind

_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Right(NamedTuple):
    """To do this to objects of a kind, in a namespace.

    namespace  empty: the command's own, or the whole cluster if they are in none
    """

    verb: str
    kind: Kind
    subresource: str = ""
    namespace: str = ""

    @property
    def what(self) -> str:
        """As `kubectl auth can-i` names it."""
        group = f".{self.kind.group}" if self.kind.group else ""
        return self.kind.plural + group + (f"/{self.subresource}" if self.subresource else "")

    def __str__(self) -> str:
        return f"{self.verb} {self.what}" + (f" in {self.namespace}" if self.namespace else "")


async def check(api: ApiClient, namespace: str, rights: Sequence[Right], listed: str) -> None:
    """Raises LabError, which names all that is missing; where the server does not tell, nothing is.

    namespace  the command's own, which need not be there yet
    listed     where a reader finds them all
    """
    allowed = await together(_allowed(api, right, namespace) for right in rights)
    missing = [right for right, is_allowed in zip(rights, allowed, strict=True) if not is_allowed]
    if missing:
        remedy = f"the cluster's administrator can allow it, and {listed}"
        raise LabError(f"you may not {', '.join(map(str, missing))}: {remedy}")


async def _allowed(api: ApiClient, right: Right, namespace: str) -> bool:
    asked = {
        "verb": right.verb,
        "group": right.kind.group,
        "resource": right.kind.plural,
        "subresource": right.subresource,
        "namespace": (right.namespace or namespace) if right.kind.namespaced else "",
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
