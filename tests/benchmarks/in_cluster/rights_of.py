"""Users of the lab's API server with the rights that a test gives them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from benchmarks.lab.cluster import Cluster
from benchmarks.lab.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, SERVICE_ACCOUNT
from benchmarks.rights import Right

_RBAC = "rbac.authorization.k8s.io"


async def token_with(cluster: Cluster, name: str, rights: Iterable[Right]) -> str:
    """That of a new user who may do this, in every namespace, and nothing else."""
    await cluster.api.create(SERVICE_ACCOUNT, "default", {"metadata": {"name": name}})
    rules = [
        {
            "apiGroups": [right.kind.group],
            "resources": [right.kind.plural + (f"/{right.subresource}" if right.subresource else "")],
            "verbs": [right.verb],
        }
        for right in rights
    ]
    await cluster.api.create(CLUSTER_ROLE, "", {"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": name}],
    }
    await cluster.api.create(CLUSTER_ROLE_BINDING, "", binding)
    return await cluster.api.token("default", name, 3600)


def kubeconfig(cluster: Cluster, folder: Path, token: str) -> Path:
    """A file by which one is that user."""
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    whole["users"][0]["user"] = {"token": token}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(whole))
    return file
