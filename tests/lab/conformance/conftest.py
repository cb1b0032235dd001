"""The clusters that the conformance suite runs against.

By default the lab's API server, over TLS, started here. With DISCOVERY_CONFORMANCE=cluster it is the cluster of
KUBECONFIG's current context, in a namespace that the suite creates and removes; that is only reached from outside
the lab's namespaces, so the command is

    DISCOVERY_CONFORMANCE=cluster DISCOVERY_TESTS_OUTSIDE=1 KUBECONFIG=... pytest tests/lab/conformance

The tests are the same, and are what "true to Kubernetes" means here. They need rights to create namespaces, roles
and service accounts' tokens. kubectl, where it is too old or missing, is left out.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from anyio.from_thread import start_blocking_portal

from benchmarks.lab import certificates, manifests
from benchmarks.lab.access import service_account_user
from benchmarks.lab.api import ApiServer
from benchmarks.lab.store import Store

from ..served import TOKEN


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster under test, and a namespace of it that is the suite's own."""

    kubeconfig: Path
    namespace: str
    client: kubernetes.client.ApiClient
    compact: Callable[[], None]
    """Makes the API server forget version 1, if it has not yet."""
    token_of: Callable[[str], str]
    """A token of one of the namespace's service accounts."""

    @property
    def core(self) -> Any:
        return kubernetes.client.CoreV1Api(self.client)

    @property
    def slices(self) -> Any:
        return kubernetes.client.DiscoveryV1Api(self.client)

    @property
    def apps(self) -> Any:
        return kubernetes.client.AppsV1Api(self.client)

    @property
    def rbac(self) -> Any:
        return kubernetes.client.RbacAuthorizationV1Api(self.client)


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    if os.environ.get("DISCOVERY_CONFORMANCE") == "cluster":
        yield from _real_cluster()
    else:
        yield from _lab(tmp_path_factory.mktemp("conformance"))


@pytest.fixture
def mark() -> str:
    """A label value for what one test makes."""
    return f"t-{secrets.token_hex(4)}"


def _real_cluster() -> Iterator[Target]:
    path = os.environ.get("KUBECONFIG")
    if not path:
        pytest.skip("DISCOVERY_CONFORMANCE=cluster needs KUBECONFIG: it names the cluster to test")
    with kubernetes.config.new_client_from_config(path) as client:
        core: Any = kubernetes.client.CoreV1Api(client)
        made = core.create_namespace({"metadata": {"generateName": "conformance-"}})
        namespace = made.metadata.name

        def token_of(account: str) -> str:
            request = {"spec": {"expirationSeconds": 600}}
            answer = core.create_namespaced_service_account_token(account, namespace, request)
            return str(answer.status.token)

        try:
            yield Target(Path(path), namespace, client, lambda: None, token_of)
        finally:
            core.delete_namespace(namespace)


def _lab(folder: Path) -> Iterator[Target]:
    store, files = Store(), certificates.issue(folder, "127.0.0.1")
    server = ApiServer(store, host="127.0.0.1", port=0, tokens=[TOKEN], tls=(files.certificate, files.key))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server):
        config = manifests.kubeconfig(server.url, TOKEN, files.authority.read_bytes())
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(config))
        with kubernetes.config.new_client_from_config(str(kubeconfig)) as client:
            namespace = "conformance"
            core: Any = kubernetes.client.CoreV1Api(client)
            core.create_namespace({"metadata": {"name": namespace}})
            yield Target(
                kubeconfig,
                namespace,
                client,
                lambda: portal.call(store.compact),
                lambda account: portal.call(server.issue_token, service_account_user(namespace, account)),
            )
            core.delete_namespace(namespace)
