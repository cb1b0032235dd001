"""Tokens, and what Role and RoleBinding objects allow a service account."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import kubernetes
import pytest
from kubernetes.client import ApiException

from tests.target import Target

from .objects import make_slices


@pytest.fixture
def account(target: Target, mark: str) -> Iterator[kubernetes.client.ApiClient]:
    """A client that is a service account without any rights yet."""
    with kubernetes.client.ApiClient(target.account(mark)) as client:
        yield client


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
    target.grant(mark, apiGroups=["discovery.k8s.io"], resources=["endpointslices"], verbs=["list"])

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
    target.grant(mark, apiGroups=["*"], resources=["endpointslices"], verbs=["*"], resourceNames=[first])

    assert discovery.read_namespaced_endpoint_slice(first, target.namespace).metadata.name == first
    with pytest.raises(ApiException) as forbidden:
        discovery.read_namespaced_endpoint_slice(second, target.namespace)
    assert forbidden.value.status == 403


def test_a_wrong_token_is_nobody(target: Target, account: kubernetes.client.ApiClient) -> None:
    account.configuration.api_key = {"authorization": "Bearer wrong"}

    with pytest.raises(ApiException) as unauthorized:
        kubernetes.client.DiscoveryV1Api(account).list_namespaced_endpoint_slice(target.namespace)

    assert unauthorized.value.status == 401


def test_a_token_lives_for_ten_minutes_at_least(target: Target, mark: str) -> None:
    target.core.create_namespaced_service_account(target.namespace, {"metadata": {"name": mark}})

    def asked_for(seconds: int) -> Any:
        request = {"spec": {"expirationSeconds": seconds}}
        return target.core.create_namespaced_service_account_token(mark, target.namespace, request)

    given = asked_for(600)
    assert (given.kind, given.api_version) == ("TokenRequest", "authentication.k8s.io/v1")
    assert given.spec.expiration_seconds == 600
    assert given.status.expiration_timestamp > datetime.now(UTC)
    with pytest.raises(ApiException, match="may not specify a duration less than 10 minutes") as short:
        asked_for(599)
    assert short.value.status == 422
