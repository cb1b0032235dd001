"""Create, replace, patch, delete: names, conflicts, kinds of patches, subresources."""

import json
import re
from typing import Any

import pytest
from kubernetes.client import ApiException

from tests.target import Target

from .objects import deployment, endpoint_slice, make_slices, service


def refused(refusal: pytest.ExceptionInfo[ApiException]) -> tuple[int, str, str]:
    assert refusal.value.body is not None
    status = json.loads(refusal.value.body)
    return status["code"], status["reason"], status["message"]


def test_names_are_generated(target: Target, mark: str) -> None:
    body = endpoint_slice("", mark)
    body["metadata"] = {"generateName": f"{mark}-"}

    made = target.slices.create_namespaced_endpoint_slice(target.namespace, body)

    assert re.fullmatch(rf"{mark}-[a-z0-9]{{5}}", made.metadata.name)


def test_a_name_is_taken_once(target: Target, mark: str) -> None:
    (name,) = make_slices(target, mark, 1)

    with pytest.raises(ApiException) as taken:
        target.slices.create_namespaced_endpoint_slice(target.namespace, endpoint_slice(name, mark))

    assert refused(taken) == (409, "AlreadyExists", f'endpointslices.discovery.k8s.io "{name}" already exists')


def test_replacing_an_old_version_conflicts(target: Target, mark: str) -> None:
    (name,) = make_slices(target, mark, 1)
    old = target.slices.read_namespaced_endpoint_slice(name, target.namespace)
    target.slices.patch_namespaced_endpoint_slice(name, target.namespace, {"metadata": {"labels": {"x": "y"}}})

    with pytest.raises(ApiException) as conflict:
        target.slices.replace_namespaced_endpoint_slice(name, target.namespace, old)

    assert refused(conflict) == (
        409,
        "Conflict",
        f'Operation cannot be fulfilled on endpointslices.discovery.k8s.io "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )
    body = endpoint_slice(name, mark, "192.0.2.7")
    replaced = target.slices.replace_namespaced_endpoint_slice(name, target.namespace, body)
    assert replaced.endpoints[0].addresses == ["192.0.2.7"]
    assert replaced.metadata.uid == old.metadata.uid


def test_a_deletion_may_tell_which_object_it_means(target: Target, mark: str) -> None:
    (name,) = make_slices(target, mark, 1)

    options: dict[str, Any] = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    with pytest.raises(ApiException) as another:
        target.slices.delete_namespaced_endpoint_slice(name, target.namespace, body=options)
    assert refused(another)[:2] == (409, "Conflict")
    options = {"propagationPolicy": "Background"}
    target.slices.delete_namespaced_endpoint_slice(name, target.namespace, body=options)
    with pytest.raises(ApiException) as absent:
        target.slices.read_namespaced_endpoint_slice(name, target.namespace)
    assert refused(absent) == (404, "NotFound", f'endpointslices.discovery.k8s.io "{name}" not found')


def test_json_patch(target: Target, mark: str) -> None:
    (name,) = make_slices(target, mark, 1)

    def patch(*operations: dict[str, Any]) -> Any:
        return target.slices.patch_namespaced_endpoint_slice(name, target.namespace, list(operations))

    added = patch(
        {"op": "test", "path": "/metadata/labels/test", "value": mark},
        {"op": "add", "path": "/endpoints/-", "value": {"addresses": ["192.0.2.2"]}},
        {"op": "add", "path": "/endpoints/0", "value": {"addresses": ["192.0.2.3"]}},
        {"op": "add", "path": "/metadata/labels/a~1b", "value": "c"},
    )
    moved = patch({"op": "remove", "path": "/endpoints/1"}, {"op": "remove", "path": "/metadata/labels/a~1b"})

    assert [each.addresses[0] for each in added.endpoints] == ["192.0.2.3", "192.0.2.1", "192.0.2.2"]
    assert added.metadata.labels == {"test": mark, "a/b": "c"}
    assert [each.addresses[0] for each in moved.endpoints] == ["192.0.2.3", "192.0.2.2"]
    with pytest.raises(ApiException) as wrong:
        patch({"op": "test", "path": "/metadata/labels/test", "value": "x"})
    assert refused(wrong)[:2] == (422, "Invalid")


def test_merge_patch_replaces_lists(target: Target, mark: str) -> None:
    target.core.create_namespaced_service(target.namespace, service(mark, mark))
    body = {"metadata": {"labels": {"test": None}}, "spec": {"ports": [{"port": 81, "targetPort": 82}]}}

    patched = target.core.patch_namespaced_service(
        mark, target.namespace, body, _content_type="application/merge-patch+json"
    )

    assert [(port.port, port.target_port) for port in patched.spec.ports] == [(81, 82)]
    assert not patched.metadata.labels


STRATEGIC = {"_content_type": "application/strategic-merge-patch+json"}


def test_strategic_merge_patch_of_a_service(target: Target, mark: str) -> None:
    target.core.create_namespaced_service(target.namespace, service(mark, mark))
    ports = [{"port": 80, "targetPort": 1234}, {"port": 9080, "$patch": "delete"}, {"port": 81, "name": "new"}]
    order = [{"port": 80}, {"port": 81}]

    patched = target.core.patch_namespaced_service(
        mark, target.namespace, {"spec": {"ports": ports, "$setElementOrder/ports": order}}, **STRATEGIC
    )

    assert {port.port: (port.name, port.target_port) for port in patched.spec.ports}[80] == ("http", 1234)
    assert {port.port for port in patched.spec.ports} == {80, 81}


def test_strategic_merge_patch_of_a_deployment(target: Target, mark: str) -> None:
    target.apps.create_namespaced_deployment(target.namespace, deployment(mark, mark))
    env = [{"name": "A", "$patch": "delete"}, {"name": "C", "value": "3"}]
    container = {"name": "main", "env": env, "ports": [{"containerPort": 80}]}

    patched = target.apps.patch_namespaced_deployment(
        mark, target.namespace, {"spec": {"template": {"spec": {"containers": [container]}}}}, **STRATEGIC
    )

    (found,) = patched.spec.template.spec.containers
    assert found.image == "registry.k8s.io/pause:3.10"
    assert {variable.name: variable.value for variable in found.env} == {"B": "2", "C": "3"}
    assert [port.container_port for port in found.ports] == [80]


def test_other_patches_are_of_no_known_type(target: Target, mark: str) -> None:
    (name,) = make_slices(target, mark, 1)

    # The official client does not send such a thing.
    configuration = target.client.configuration
    bearer = configuration.auth_settings().get("BearerToken")
    headers = {"content-type": "application/x-diff"} | ({bearer["key"]: bearer["value"]} if bearer else {})
    url = f"{configuration.host}/apis/discovery.k8s.io/v1/namespaces/{target.namespace}/endpointslices/{name}"
    answer = target.client.rest_client.pool_manager.request("PATCH", url, body=b"{}", headers=headers)

    assert (answer.status, answer.json()["reason"]) == (415, "UnsupportedMediaType")


def test_a_deployment_is_scaled(target: Target, mark: str) -> None:
    target.apps.create_namespaced_deployment(target.namespace, deployment(mark, mark))
    version = target.apps.read_namespaced_deployment_scale(mark, target.namespace).metadata.resource_version

    scale: dict[str, Any] = {"metadata": {"name": mark, "namespace": target.namespace}, "spec": {"replicas": 0}}
    replaced = target.apps.replace_namespaced_deployment_scale(mark, target.namespace, scale)
    patched = target.apps.patch_namespaced_deployment_scale(
        mark, target.namespace, {"spec": {"replicas": 1}}, _content_type="application/merge-patch+json"
    )

    assert (replaced.spec.replicas, patched.spec.replicas) == (0, 1)
    assert target.apps.read_namespaced_deployment(mark, target.namespace).spec.replicas == 1
    scale["metadata"]["resourceVersion"] = version
    with pytest.raises(ApiException) as conflict:
        target.apps.replace_namespaced_deployment_scale(mark, target.namespace, scale)
    assert refused(conflict)[:2] == (409, "Conflict")
    target.apps.delete_namespaced_deployment(mark, target.namespace)
