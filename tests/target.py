"""The cluster that tests of Kubernetes' own rules run against, and a namespace of it that is theirs alone.

By default it is the lab's API server and EndpointSlice controller, over TLS on loopback. With
DISCOVERY_CLUSTER=kubeconfig it is the cluster of KUBECONFIG's current context, which only a run outside the lab can
reach; `make test-cluster` is such a run. It needs an administrator's rights: to create namespaces, roles, the tokens
of service accounts, and to write the status of pods. Whatever happens, the namespace is removed at the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
from anyio.from_thread import start_blocking_portal
from kubernetes.client import ApiClient, Configuration

from benchmarks.lab import certificates, client, manifests
from benchmarks.lab.api import ApiServer
from benchmarks.lab.background import Background
from benchmarks.lab.slice_controller import run_slice_controller
from benchmarks.lab.store import Store
from tests.inside import real_cluster

_TOKEN = "letmein"


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster under test.

    kubeconfig  a file, or several as `KUBECONFIG` has them
    compact     makes the API server forget version 1, if it has not yet
    """

    kubeconfig: str
    namespace: str
    client: ApiClient
    compact: Callable[[], None]

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

    def account(self, name: str) -> Configuration:
        """Make a service account of the namespace, without any rights yet, and be it."""
        self.core.create_namespaced_service_account(self.namespace, {"metadata": {"name": name}})
        request = {"spec": {"expirationSeconds": 600}}
        answer = self.core.create_namespaced_service_account_token(name, self.namespace, request)
        ours, its = self.client.configuration, Configuration()
        its.host, its.proxy, its.no_proxy = ours.host, ours.proxy, ours.no_proxy
        its.verify_ssl, its.ssl_ca_cert, its.tls_server_name = ours.verify_ssl, ours.ssl_ca_cert, ours.tls_server_name
        its.api_key = {"authorization": f"Bearer {answer.status.token}"}
        return its

    def grant(self, account: str, **rule: list[str]) -> None:
        """Give a service account the rights of one rule more."""
        metadata = {"generateName": f"{account}-"}
        made = self.rbac.create_namespaced_role(self.namespace, {"metadata": metadata, "rules": [rule]})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": made.metadata.name}
        subject = {"kind": "ServiceAccount", "name": account, "namespace": self.namespace}
        body = {"metadata": metadata, "roleRef": role, "subjects": [subject]}
        self.rbac.create_namespaced_role_binding(self.namespace, body)


@contextmanager
def cluster(folder: Path) -> Iterator[Target]:
    """The one that is wanted."""
    if real_cluster():
        with _in_namespace(os.environ["KUBECONFIG"], lambda: None) as target:
            yield target
        return
    store = Store()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_lab(store, folder)) as kubeconfig,
        _in_namespace(kubeconfig, lambda: portal.call(store.compact)) as target,
    ):
        yield target


@contextmanager
def _in_namespace(kubeconfig: str, compact: Callable[[], None]) -> Iterator[Target]:
    with kubernetes.config.new_client_from_config(kubeconfig) as api:
        core: Any = kubernetes.client.CoreV1Api(api)
        namespace = core.create_namespace({"metadata": {"generateName": "discovery-tests-"}}).metadata.name
        try:
            yield Target(kubeconfig, namespace, api, compact)
        finally:
            try:
                core.delete_namespace(namespace)
            except Exception as error:
                raise RuntimeError(f"this is left behind: kubectl delete namespace {namespace}") from error


@asynccontextmanager
async def _lab(store: Store, folder: Path) -> AsyncIterator[str]:
    files = certificates.issue(folder, "127.0.0.1")
    tls = (files.certificate, files.key)
    async with (
        ApiServer(store, host="127.0.0.1", port=0, tokens=[_TOKEN], tls=tls) as server,
        client.ApiClient(server.url, _TOKEN, files.authority) as controllers,
        Background() as background,
    ):
        background.start(run_slice_controller(controllers), "EndpointSlice controller")
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(manifests.kubeconfig(server.url, _TOKEN, files.authority.read_bytes())))
        yield str(kubeconfig)
