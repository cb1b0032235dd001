"""What lets a pod's process into the API server, and that nothing else does.

https://kubernetes.io/docs/concepts/security/service-accounts/: each pod has the token of its service account, unless it
or the account says that none is to be mounted. Here it is in a kubeconfig, since all pods share one file system.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from . import manifests
from .client import ApiClient
from .kinds import SERVICE_ACCOUNT, Object

_LIFETIME_S: Final = 7 * 86_400  # no lab lives as long, and so no token has to be renewed
_OTHERS: Final = ("KUBECONFIG", "KUBERNETES_")


class Credentials:
    """Folders of pods, each with the kubeconfig of the pod's service account; nobody else may read it.

    server: URL at which the pods find the API server
    authority: PEM of what its certificate is from
    """

    def __init__(self, client: ApiClient, server: str, authority: bytes, folder: Path) -> None:
        self._client = client
        self._server = server
        self._authority = authority
        self._folder = folder

    async def environment_of(self, pod: Object) -> dict[str, str]:
        """What is in the environment of the pod's processes before its own variables; raises `ApiError`."""
        folder = self._folder_of(pod)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = without_credentials(os.environ, folder)
        metadata, account = pod["metadata"], pod["spec"].get("serviceAccountName") or "default"
        if await self._mounted(pod, account):
            token = await self._client.token(metadata["namespace"], account, _LIFETIME_S)
            content = manifests.kubeconfig(self._server, token, self._authority, metadata["namespace"])
            file = folder / "kubeconfig"
            file.touch(mode=0o600)
            file.write_text(json.dumps(content))
            environment["KUBECONFIG"] = str(file)
        return environment

    def remove(self, pod: Object) -> None:
        """The pod is gone."""
        shutil.rmtree(self._folder_of(pod), ignore_errors=True)

    def _folder_of(self, pod: Object) -> Path:
        return self._folder / str(pod["metadata"]["uid"])

    async def _mounted(self, pod: Object, account: str) -> bool:
        wanted = pod["spec"].get("automountServiceAccountToken")
        if wanted is None:
            found = await self._client.get(SERVICE_ACCOUNT, pod["metadata"]["namespace"], account)
            wanted = found.get("automountServiceAccountToken", True)
        return bool(wanted)


def without_credentials(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """An environment like ours in which nothing tells of a cluster, nor a home in which something could."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_OTHERS)}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1"}  # unbuffered, as in our image
