"""The official Kubernetes client for Python takes the lab's API server for a real one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import kubernetes
import pytest

from benchmarks.lab.api import ApiServer
from benchmarks.lab.kinds import ENDPOINT_SLICE, POD
from benchmarks.lab.store import Store

from .recordings import watched
from .served import TOKEN, serving


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def server(store: Store) -> AsyncIterator[ApiServer]:
    async with serving(store) as running:
        yield running


def api_client(server: ApiServer) -> kubernetes.client.ApiClient:
    configuration = kubernetes.client.Configuration(
        host=server.url, api_key={"authorization": TOKEN}, api_key_prefix={"authorization": "Bearer"}
    )
    configuration.proxy = None
    return kubernetes.client.ApiClient(configuration)


async def test_list_and_watch_of_slices(server: ApiServer, store: Store) -> None:
    empty, one_pod, two_pods, *_ = (event["object"] for event in watched("lifecycle"))
    name = store.create(ENDPOINT_SLICE, "default", empty)["metadata"]["name"]

    def list_and_watch() -> tuple[Any, list[tuple[str, list[str]]]]:
        with api_client(server) as connected:
            discovery: Any = kubernetes.client.DiscoveryV1Api(connected)
            selector = "kubernetes.io/service-name=echo"
            listed = discovery.list_namespaced_endpoint_slice("default", label_selector=selector)
            for content in (one_pod, two_pods):
                patch = {"endpoints": content["endpoints"], "ports": content["ports"]}
                asyncio.run_coroutine_threadsafe(_patch(store, name, patch), loop).result()
            watch, seen = kubernetes.watch.Watch(), []
            for event in watch.stream(
                discovery.list_namespaced_endpoint_slice,
                "default",
                label_selector=selector,
                resource_version=listed.metadata.resource_version,
                timeout_seconds=60,
            ):
                addresses = [endpoint.addresses[0] for endpoint in event["object"].endpoints]
                seen.append((event["type"], addresses))
                if len(seen) == 2:
                    watch.stop()
            return listed, seen

    loop = asyncio.get_running_loop()
    listed, seen = await asyncio.to_thread(list_and_watch)

    (found,) = listed.items
    assert (found.metadata.name, found.address_type, found.endpoints) == (name, "IPv4", None)
    assert seen == [("MODIFIED", ["10.64.0.1"]), ("MODIFIED", ["10.64.0.1", "10.64.0.2"])]


async def test_an_expired_watch_raises_410(server: ApiServer, store: Store) -> None:
    store.create(POD, "default", {"metadata": {"name": "a"}})
    store.compact()

    def watch() -> None:
        with api_client(server) as connected:
            pods = kubernetes.client.CoreV1Api(connected).list_pod_for_all_namespaces
            for _event in kubernetes.watch.Watch().stream(pods, resource_version="1", timeout_seconds=60):
                pytest.fail("an expired watch has no events")

    with pytest.raises(kubernetes.client.ApiException) as expired:
        await asyncio.to_thread(watch)

    assert expired.value.status == 410


async def test_a_pod_is_created_patched_and_deleted(server: ApiServer, store: Store) -> None:
    def live() -> None:
        with api_client(server) as connected:
            core: Any = kubernetes.client.CoreV1Api(connected)
            spec = {"nodeName": "node-a", "containers": [{"name": "echo"}]}
            core.create_namespaced_pod("default", {"metadata": {"name": "echo-0"}, "spec": spec})
            core.delete_namespaced_pod("echo-0", "default")
            marked = core.read_namespaced_pod("echo-0", "default")
            assert marked.metadata.deletion_grace_period_seconds == 30
            core.delete_namespaced_pod("echo-0", "default", grace_period_seconds=0)

    await asyncio.to_thread(live)

    assert store.list(POD) == ()


async def _patch(store: Store, name: str, patch: dict[str, Any]) -> None:
    store.patch(ENDPOINT_SLICE, "default", name, patch)
