"""An API server that is not a lab's own: as strict as real ones, with their controllers, and on no network of a lab."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from benchmarks.lab import certificates, manifests
from benchmarks.lab.access import ADMIN
from benchmarks.lab.api import ApiServer
from benchmarks.lab.background import Background
from benchmarks.lab.client import ApiClient
from benchmarks.lab.deployment_controller import run_deployment_controller
from benchmarks.lab.endpoints_controller import run_endpoints_controller
from benchmarks.lab.kinds import KINDS, Kind, Object, key_of
from benchmarks.lab.slice_controller import run_slice_controller
from benchmarks.lab.store import Store

TOKEN = "letmein"
GUEST = "guest"
"""The token of a user of this name, without any rights."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A running one. `content` is its kubeconfig, which is in the file; at `plain_url` it is without TLS."""

    store: Store
    kubeconfig: Path
    content: dict[str, Any]
    plain_url: str
    portal: BlockingPortal
    usual: frozenset[str]

    def objects(self, kind: Kind) -> tuple[Object, ...]:
        return self.portal.call(self.store.list, kind)

    def left(self) -> set[str]:
        """What is there, as KIND NAMESPACE/NAME, and was not at the start."""
        return _names(self.store) - self.usual

    def variant(self, folder: Path, **changes: Any) -> Path:
        """A kubeconfig with other fields of the cluster or, as `user`, of the user; None takes one out."""
        user = changes.pop("user", self.content["users"][0]["user"])
        changed = {name.replace("_", "-"): value for name, value in changes.items()}
        cluster = {**self.content["clusters"][0]["cluster"], **changed}
        cluster = {name: value for name, value in cluster.items() if value is not None}
        content = {
            **self.content,
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": user}],
        }
        file = folder / "variant"
        file.write_text(json.dumps(content))
        return file


@contextmanager
def elsewhere(folder: Path) -> Iterator[Elsewhere]:
    store = Store()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_serving(store, folder)) as (server, plain),
    ):
        content = manifests.kubeconfig(server.url, TOKEN, (folder / "ca.crt").read_bytes())
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(content))
        yield Elsewhere(store, kubeconfig, content, plain.url, portal, frozenset(_names(store)))


def _names(store: Store) -> set[str]:
    return {f"{kind.name} {'/'.join(key_of(obj))}" for kind in KINDS for obj in store.list(kind)}


@asynccontextmanager
async def _serving(store: Store, folder: Path) -> AsyncIterator[tuple[ApiServer, ApiServer]]:
    files = certificates.issue(folder, "127.0.0.1")
    users = {TOKEN: ADMIN, GUEST: GUEST}
    async with (
        ApiServer(
            store,
            host="127.0.0.1",
            port=0,
            tokens=users,
            tls=(files.certificate, files.key),
            status_apart=True,
        ) as server,
        ApiServer(store, host="127.0.0.1", port=0, tokens=users) as inner,
        ApiClient(inner.url, TOKEN) as client,
        Background() as background,
    ):
        background.start(run_slice_controller(client), "EndpointSlice controller")
        background.start(run_endpoints_controller(client), "Endpoints controller")
        background.start(run_deployment_controller(client), "Deployment controller")
        yield server, inner
