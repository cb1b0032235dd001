"""The kinds of objects that the lab's API server keeps, and the paths at which it serves them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]
"""A Kubernetes object as parsed from JSON. Shared by everyone who reads it, so nobody may change it."""

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object; `blank` holds the fields that an object without content has (bookmarks are such)."""

    name: str
    plural: str
    api_version: str
    blank: Object = field(compare=False)

    @property
    def qualified(self) -> str:
        """How the API server's messages name it: `pods`, but `endpointslices.discovery.k8s.io`."""
        group, slash, _version = self.api_version.partition("/")
        return f"{self.plural}.{group}" if slash else self.plural

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """URL path of one object, of a namespace's objects, or of all; also takes routing placeholders."""
        root = "/apis" if "/" in self.api_version else "/api"
        inside = "" if namespace is None else f"/namespaces/{namespace}"
        return f"{root}/{self.api_version}{inside}/{self.plural}" + ("" if name is None else f"/{name}")


SERVICE = Kind("Service", "services", "v1", {"spec": {}, "status": {"loadBalancer": {}}})
POD = Kind("Pod", "pods", "v1", {"spec": {"containers": None}, "status": {}})
ENDPOINT_SLICE = Kind(
    "EndpointSlice",
    "endpointslices",
    "discovery.k8s.io/v1",
    {"addressType": "", "endpoints": None, "ports": None},
)
KINDS = (SERVICE, POD, ENDPOINT_SLICE)


def key_of(obj: Object) -> Key:
    """Namespace and name of a stored object."""
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def labels_of(obj: Object) -> Mapping[str, str]:
    """The labels of an object; none where it has no such field, or null."""
    return obj["metadata"].get("labels") or {}
