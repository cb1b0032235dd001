"""What each namespace begins with, what is let into it, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from benchmarks.lab.client import ApiClient, ApiError
from benchmarks.lab.kinds import CONFIG_MAP, DEPLOYMENT, JOB, KINDS, NAMESPACE, POD, SERVICE, SERVICE_ACCOUNT, key_of
from benchmarks.lab.store import Store
from tests.conftest import Lab

from .running import all_ready, until
from .served import TOKEN, serving
from .test_job_controller import job


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def client(store: Store) -> AsyncIterator[ApiClient]:
    async with serving(store) as server, ApiClient(server.url, TOKEN) as connected:
        yield connected


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


def pod(name: str, node: str = "") -> dict[str, Any]:
    return {**named(name), "spec": {"nodeName": node, "containers": [{"name": "main"}]}}


async def test_every_cluster_has_some(client: ApiClient) -> None:
    found = {key_of(each)[1] for each in (await client.list(NAMESPACE)).items}
    assert found == {"default", "kube-system", "kube-public", "kube-node-lease"}


async def test_a_namespace_has_a_label_of_its_name_a_phase_and_an_account(client: ApiClient) -> None:
    made = await client.create(NAMESPACE, "", {"metadata": {"generateName": "shop-", "labels": {"a": "b"}}})
    name = made["metadata"]["name"]
    assert made["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": name}
    assert (made["status"], made["spec"]) == ({"phase": "Active"}, {"finalizers": ["kubernetes"]})
    assert [key_of(each) for each in (await client.list(SERVICE_ACCOUNT, name)).items] == [(name, "default")]
    assert (await client.create(POD, name, pod("x")))["spec"]["serviceAccountName"] == "default"


@pytest.mark.parametrize("kind", [POD, SERVICE_ACCOUNT, CONFIG_MAP], ids=lambda kind: kind.plural)
async def test_nothing_is_created_in_one_that_is_not_there(client: ApiClient, kind: Any) -> None:
    with pytest.raises(ApiError, match='namespaces "nowhere" not found') as refused:
        await client.create(kind, "nowhere", named("x"))
    assert (refused.value.code, refused.value.reason) == (404, "NotFound")


async def test_one_with_a_pod_that_ends_is_terminating_until_that_has_gone(client: ApiClient, store: Store) -> None:
    await client.create(NAMESPACE, "", named("shop"))
    await client.create(NAMESPACE, "", named("other"))
    await client.create(POD, "shop", pod("running", node="node-0"))
    await client.create(POD, "shop", pod("waiting"))
    for namespace in ("shop", "other"):
        await client.create(CONFIG_MAP, namespace, named("x"))

    await client.delete(NAMESPACE, "", "shop")
    marked = await client.get(NAMESPACE, "", "shop")
    assert (marked["status"]["phase"], "deletionTimestamp" in marked["metadata"]) == ("Terminating", True)
    assert [key_of(each) for each in (await client.list(CONFIG_MAP)).items] == [("other", "x")]
    left = {(kind.name, key_of(obj)[1]) for kind in KINDS for obj in store.list(kind, "shop")}
    assert left == {("Pod", "running")}
    with pytest.raises(ApiError) as refused:
        await client.create(CONFIG_MAP, "shop", named("new"))
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert str(refused.value) == (
        'configmaps "new" is forbidden: unable to create new content in namespace shop because it is being terminated'
    )
    await client.delete(NAMESPACE, "", "shop")  # again: it is on its way

    await client.delete(POD, "shop", "running")
    with pytest.raises(ApiError, match='namespaces "shop" not found'):
        await client.get(NAMESPACE, "", "shop")


async def test_one_without_pods_has_gone_at_once(client: ApiClient) -> None:
    await client.create(NAMESPACE, "", named("shop"))
    answer = await client.delete(NAMESPACE, "", "shop")
    assert answer["status"]["phase"] == "Terminating"
    with pytest.raises(ApiError, match='namespaces "shop" not found'):
        await client.get(NAMESPACE, "", "shop")


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_what_no_cluster_can_do_without_stays(client: ApiClient, name: str) -> None:
    with pytest.raises(ApiError, match="this namespace may not be deleted") as refused:
        await client.delete(NAMESPACE, "", name)
    assert refused.value.code == 403


def test_one_full_of_controllers_work_ends_in_good_order(lab: Lab) -> None:
    """A Deployment, a Job and a Service whose controllers would make again what is deleted."""
    name = "full"

    async def course() -> None:
        api = lab.cluster.api
        await api.create(NAMESPACE, "", named(name))
        labels = {"app": "web"}
        ports = [{"name": "http", "containerPort": 8081}, {"name": "grpc", "containerPort": 8082}]
        container = {"name": "main", "args": ["--lame-duck-s", "0"], "ports": ports}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        service = {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
        await api.create(SERVICE, name, {**named("web"), "spec": service})
        await api.create(DEPLOYMENT, name, {**named("web"), "spec": spec})
        await api.create(JOB, name, job("endless", 1, "--lame-duck-s", "0"))
        await until(api, "web", all_ready(2), name)

        listed = await api.list(NAMESPACE)
        await api.delete(NAMESPACE, "", name)
        async with aclosing(api.watch(NAMESPACE, version=listed.version)) as events:
            async for event in events:
                if (event.type, key_of(event.object)[1]) == ("DELETED", name):
                    break
        assert [obj for kind in KINDS if kind.namespaced for obj in (await api.list(kind, name)).items] == []

    lab.call(course)
