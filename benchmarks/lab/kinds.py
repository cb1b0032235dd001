"""The kinds of objects that the lab's API server keeps, and the paths at which it serves them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]
"""A Kubernetes object as parsed from JSON. Shared by everyone who reads it, so nobody may change it."""

Key = tuple[str, str]
"""Namespace and name; the namespace of what is in none, a Node say, is empty."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object.

    blank: the fields that an object without content has (bookmarks are such).
    short_names: what kubectl takes for the plural, too.
    subresources: what is served below an object's path, of `status` and `scale`.
    fields: what field selectors may ask for, next to name and namespace.
    """

    name: str
    plural: str
    api_version: str
    blank: Object = field(compare=False)
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        group, slash, _version = self.api_version.partition("/")
        return group if slash else ""

    @property
    def qualified(self) -> str:
        """How the API server's messages name it: `pods`, but `endpointslices.discovery.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """URL path of one object, of a namespace's objects, or of all; also takes routing placeholders."""
        root = "/apis" if self.group else "/api"
        inside = f"/namespaces/{namespace}" if namespace is not None and self.namespaced else ""
        return f"{root}/{self.api_version}{inside}/{self.plural}" + ("" if name is None else f"/{name}")


_STATUS = ("status",)

SERVICE = Kind(
    "Service",
    "services",
    "v1",
    {"spec": {}, "status": {"loadBalancer": {}}},
    short_names=("svc",),
    subresources=_STATUS,
    fields=("spec.clusterIP", "spec.type"),
)
POD = Kind(
    "Pod",
    "pods",
    "v1",
    {"spec": {"containers": None}, "status": {}},
    short_names=("po",),
    subresources=_STATUS,
    fields=("spec.nodeName", "status.phase"),
)
ENDPOINT_SLICE = Kind(
    "EndpointSlice",
    "endpointslices",
    "discovery.k8s.io/v1",
    {"addressType": "", "endpoints": None, "ports": None},
)
DEPLOYMENT = Kind(
    "Deployment",
    "deployments",
    "apps/v1",
    {
        "spec": {
            "selector": None,
            "template": {"metadata": {}, "spec": {"containers": None}},
            "strategy": {},
        },
        "status": {},
    },
    short_names=("deploy",),
    subresources=("status", "scale"),
)
ENDPOINTS = Kind("Endpoints", "endpoints", "v1", {}, short_names=("ep",))
NODE = Kind(
    "Node", "nodes", "v1", {"spec": {}, "status": {}}, namespaced=False, short_names=("no",), subresources=_STATUS
)
NAMESPACE = Kind(
    "Namespace",
    "namespaces",
    "v1",
    {"spec": {}, "status": {}},
    namespaced=False,
    short_names=("ns",),
    subresources=_STATUS,
    fields=("status.phase",),
)
EVENT = Kind(
    "Event",
    "events",
    "v1",
    {"involvedObject": {}, "source": {}, "firstTimestamp": None, "lastTimestamp": None},
    short_names=("ev",),
    fields=("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid"),
)
SERVICE_ACCOUNT = Kind("ServiceAccount", "serviceaccounts", "v1", {}, short_names=("sa",))
CONFIG_MAP = Kind("ConfigMap", "configmaps", "v1", {}, short_names=("cm",))
JOB = Kind(
    "Job",
    "jobs",
    "batch/v1",
    {"spec": {"template": {"metadata": {}, "spec": {"containers": None}}}, "status": {}},
    subresources=_STATUS,
)
NETWORK_POLICY = Kind(
    "NetworkPolicy",
    "networkpolicies",
    "networking.k8s.io/v1",
    {"spec": {"podSelector": {}}},
    short_names=("netpol",),
)
POD_DISRUPTION_BUDGET = Kind(
    "PodDisruptionBudget",
    "poddisruptionbudgets",
    "policy/v1",
    {"spec": {}, "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}},
    short_names=("pdb",),
    subresources=_STATUS,
)
_RBAC = "rbac.authorization.k8s.io/v1"
_TO_NOTHING = {"roleRef": {"apiGroup": "", "kind": "", "name": ""}}
ROLE = Kind("Role", "roles", _RBAC, {"rules": None})
ROLE_BINDING = Kind("RoleBinding", "rolebindings", _RBAC, _TO_NOTHING)
CLUSTER_ROLE = Kind("ClusterRole", "clusterroles", _RBAC, {"rules": None}, namespaced=False)
CLUSTER_ROLE_BINDING = Kind("ClusterRoleBinding", "clusterrolebindings", _RBAC, _TO_NOTHING, namespaced=False)
KINDS = (
    SERVICE,
    POD,
    ENDPOINT_SLICE,
    DEPLOYMENT,
    ENDPOINTS,
    NODE,
    NAMESPACE,
    EVENT,
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    JOB,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
)


def key_of(obj: Object) -> Key:
    """Namespace and name of a stored object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def labels_of(obj: Object) -> Mapping[str, str]:
    """The labels of an object; none where it has no such field, or null."""
    return obj["metadata"].get("labels") or {}
