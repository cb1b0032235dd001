"""Tokens, and what Role and RoleBinding objects allow a service account."""

import json
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest
from kubernetes.client import ApiException

from .conftest import Target
from .objects import make_slices


@pytest.fixture
def account(target: Target, mark: str) -> Iterator[kubernetes.client.ApiClient]:
    """A client that is a service account without any rights yet."""
    target.core.create_namespaced_service_account(target.namespace, {"metadata": {"name": mark}})
    configuration = kubernetes.client.Configuration(host=target.client.configuration.host)
    configuration.proxy = None
    configuration.ssl_ca_cert = target.client.configuration.ssl_ca_cert
    configuration.api_key = {"authorization": f"Bearer {target.token_of(mark)}"}
    with kubernetes.client.ApiClient(configuration) as client:
        yield client


def grant(target: Target, mark: str, **rule: list[str]) -> None:
    metadata = {"name": mark}
    target.rbac.create_namespaced_role(target.namespace, {"metadata": metadata, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": mark}
    subject = {"kind": "ServiceAccount", "name": mark, "namespace": target.namespace}
    body = {"metadata": metadata, "roleRef": role, "subjects": [subject]}
    target.rbac.create_namespaced_role_binding(target.namespace, body)


def test_without_a_role_all_is_forbidden(target: Target, mark: str, account: kubernetes.client.ApiClient) -> None:
    discovery: Any = kubernetes.client.DiscoveryV1Api(account)

    with pytest.raises(ApiException) as forbidden:
        discovery.list_namespaced_endpoint_slice(target.namespace)

    assert forbidden.value.body is not None
    status = json.loads(forbidden.value.body)
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        "endpointslices.discovery.k8s.io is forbidden: "
        f'User "system:serviceaccount:{target.namespace}:{mark}" cannot list resource "endpointslices" '
        f'in API group "discovery.k8s.io" in the namespace "{target.namespace}"'
    )


def test_a_role_gives_its_verbs_and_no_others(target: Target, mark: str, account: kubernetes.client.ApiClient) -> None:
    (name,) = make_slices(target, mark, 1)
    discovery: Any = kubernetes.client.DiscoveryV1Api(account)
    grant(target, mark, apiGroups=["discovery.k8s.io"], resources=["endpointslices"], verbs=["list"])

    assert discovery.list_namespaced_endpoint_slice(target.namespace).items
    with pytest.raises(ApiException, match="cannot get resource"):
        discovery.read_namespaced_endpoint_slice(name, target.namespace)
    with pytest.raises(ApiException, match="cannot watch resource"):
        discovery.list_namespaced_endpoint_slice(target.namespace, watch=True, timeout_seconds=1)
    with pytest.raises(ApiException, match="at the cluster scope"):
        discovery.list_endpoint_slice_for_all_namespaces()


def test_a_role_may_name_objects(target: Target, mark: str, account: kubernetes.client.ApiClient) -> None:
    first, second = make_slices(target, mark, 2)
    discovery: Any = kubernetes.client.DiscoveryV1Api(account)
    grant(target, mark, apiGroups=["*"], resources=["endpointslices"], verbs=["*"], resourceNames=[first])

    assert discovery.read_namespaced_endpoint_slice(first, target.namespace).metadata.name == first
    with pytest.raises(ApiException) as forbidden:
        discovery.read_namespaced_endpoint_slice(second, target.namespace)
    assert forbidden.value.status == 403


def test_a_wrong_token_is_nobody(target: Target, account: kubernetes.client.ApiClient) -> None:
    account.configuration.api_key = {"authorization": "Bearer wrong"}

    with pytest.raises(ApiException) as unauthorized:
        kubernetes.client.DiscoveryV1Api(account).list_namespaced_endpoint_slice(target.namespace)

    assert unauthorized.value.status == 401
