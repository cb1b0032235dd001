"""The deprecated Endpoints: made of the pods, and kept up to date through the API."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.lab.client import ApiClient
from benchmarks.lab.endpoints import MAX_ADDRESSES, endpoints_of
from benchmarks.lab.endpoints_controller import run_endpoints_controller
from benchmarks.lab.kinds import ENDPOINTS, POD, SERVICE, Object
from benchmarks.lab.store import Store

from .served import TOKEN, serving
from .test_slices import pod, service, set_ready


def ips(subset: Object, field: str = "addresses") -> list[str]:
    return [address["ip"] for address in subset.get(field, ())]


def test_ready_and_unready_addresses_stand_apart_and_terminating_ones_not_at_all() -> None:
    unready, ending = pod(1), pod(2)
    set_ready(unready, "False")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    (subset,) = endpoints_of(service(), [pod(0), unready, ending])["subsets"]

    assert (ips(subset), ips(subset, "notReadyAddresses")) == (["10.64.0.1"], ["10.64.0.2"])
    assert subset["ports"] == [
        {"name": "http", "port": 8080, "protocol": "TCP"},
        {"name": "grpc", "port": 50051, "protocol": "TCP"},
    ]
    assert subset["addresses"][0]["targetRef"]["name"] == "echo-0"


def test_pods_whose_ports_differ_are_subsets_of_their_own() -> None:
    subsets = endpoints_of(service(), [pod(0), pod(1, web=9090)])["subsets"]
    assert {subset["ports"][0]["port"]: ips(subset) for subset in subsets} == {8080: ["10.64.0.1"], 9090: ["10.64.0.2"]}


def test_they_end_at_a_thousand_addresses_and_say_so() -> None:
    def numbered(number: int) -> dict[str, Any]:
        made = pod(0)
        made["metadata"]["uid"] = str(number)
        return made

    full = endpoints_of(service(), map(numbered, range(MAX_ADDRESSES)))
    over = endpoints_of(service(), map(numbered, range(MAX_ADDRESSES + 1)))

    assert len(over["subsets"][0]["addresses"]) == len(full["subsets"][0]["addresses"]) == 1000
    assert "annotations" not in full["metadata"]
    assert over["metadata"]["annotations"] == {"endpoints.kubernetes.io/over-capacity": "truncated"}


async def test_they_follow_the_pods_and_go_with_the_service() -> None:
    store = Store()
    store.create(ENDPOINTS, "default", {"metadata": {"name": "by-hand"}, "subsets": []})
    async with serving(store) as server, ApiClient(server.url, TOKEN) as client, asyncio.TaskGroup() as group:
        controller = group.create_task(run_endpoints_controller(client))
        changes = aiter(store.watch(ENDPOINTS))
        await client.create(SERVICE, "default", service())
        created = await anext(changes)
        store.create(POD, "default", pod(0))
        joined = await anext(changes)
        await client.delete(SERVICE, "default", "echo")
        deleted = await anext(changes)
        controller.cancel()

    assert [each.type for each in (created, joined, deleted)] == ["ADDED", "MODIFIED", "DELETED"]
    assert created.object["subsets"] == []
    assert ips(joined.object["subsets"][0]) == ["10.64.0.1"]
    assert [each["metadata"]["name"] for each in store.list(ENDPOINTS)] == ["by-hand"]
