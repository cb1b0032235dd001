"""What the API server answers beyond what the conformance suite can ask of any cluster: lost pages, tables."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from benchmarks.lab.kinds import DEPLOYMENT, ENDPOINT_SLICE, ENDPOINTS, NODE, POD, SERVICE, Kind
from benchmarks.lab.store import Store

from .served import TOKEN, serving

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def http(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        serving(store) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as connected,
    ):
        yield connected


async def test_a_page_after_compaction_is_gone(http: httpx.AsyncClient, store: Store) -> None:
    for name in "abc":
        store.create(SERVICE, "default", {"metadata": {"name": name}})
    first = (await http.get("/api/v1/services", params={"limit": 1})).json()["metadata"]
    assert first["remainingItemCount"] == 2
    store.delete(SERVICE, "default", "c")
    store.compact()

    answer = await http.get("/api/v1/services", params={"limit": 1, "continue": first["continue"]})

    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
    assert "continue parameter is too old" in answer.json()["message"]


async def test_a_watch_from_the_future_is_silent(http: httpx.AsyncClient, store: Store) -> None:
    bookmarks = {"allowWatchBookmarks": "true"}  # which a real server does not send there either
    parameters = {"watch": "true", "resourceVersion": "999", "timeoutSeconds": "1", **bookmarks}

    answer = await http.get("/api/v1/pods", params=parameters)

    assert (answer.status_code, answer.text) == (200, "")


SLICE = {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": [f"10.0.0.{n}"]} for n in "12345"]}
SUBSETS = [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}, {"port": 90}]}]
PORTS = [{"port": 80, "nodePort": 30001}, {"port": 53, "protocol": "UDP"}]
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


@pytest.mark.parametrize(
    ("kind", "content", "cells"),
    [
        (
            SERVICE,
            {"spec": {"clusterIP": "10.96.0.1", "ports": PORTS}},
            "ClusterIP 10.96.0.1 <none> 80:30001/TCP,53/UDP",
        ),
        (POD, {"spec": {"containers": [{}, {}]}, "status": READY}, "2/2 Running 0"),
        (POD, {}, "0/0 Pending 0"),
        (ENDPOINT_SLICE, SLICE, "IPv4 80 10.0.0.1,10.0.0.2,10.0.0.3 + 2 more..."),
        (ENDPOINT_SLICE, {"addressType": "IPv4", "endpoints": None, "ports": None}, "IPv4 <unset> <unset>"),
        (ENDPOINTS, {"subsets": SUBSETS}, "10.0.0.1:80,10.0.0.1:90"),
        (DEPLOYMENT, {"spec": {"replicas": 3}, "status": {"readyReplicas": 2}}, "2/3 0 0"),
        (NODE, {}, ""),
    ],
)
async def test_tables_for_kubectl(
    http: httpx.AsyncClient, store: Store, kind: Kind, content: dict[str, Any], cells: str
) -> None:
    place = "default" if kind.namespaced else ""
    version = store.version
    store.create(kind, place, {"metadata": {"name": "x"}, **content})
    watched = {"watch": "true", "resourceVersion": str(version), "timeoutSeconds": "1"}

    listed = (await http.get(kind.path(), headers=TABLE)).json()
    one = (await http.get(kind.path(place, "x"), headers=TABLE, params={"includeObject": "Object"})).json()
    event = (await http.get(kind.path(), headers=TABLE, params=watched)).json()

    for table in (listed, one, event["object"]):
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        (row,) = table["rows"]
        assert len(row["cells"]) == len(table["columnDefinitions"])
        assert " ".join(map(str, row["cells"][1:-1])) == cells
        assert row["object"]["metadata"]["name"] == "x"
    assert listed["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert one["rows"][0]["object"]["kind"] == kind.name


async def test_a_status_is_written_without_the_rest(http: httpx.AsyncClient, store: Store) -> None:
    before = store.create(POD, "default", {"metadata": {"name": "x"}, "spec": {"nodeName": "a"}})
    body = {"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {"nodeName": "b"}, "status": READY}

    answer = await http.put("/api/v1/namespaces/default/pods/x/status", json=body)
    replaced = await http.put("/api/v1/namespaces/default/pods/x", json={**body, "status": {"phase": "Failed"}})
    del body["status"]
    kept = await http.put("/api/v1/namespaces/default/pods/x", json=body)

    assert answer.json()["spec"] == {"nodeName": "a"}
    assert answer.json()["status"] == READY
    assert answer.json()["metadata"].keys() == before["metadata"].keys()
    assert kept.json()["status"] == replaced.json()["status"] == {"phase": "Failed"}


async def test_protobuf_is_of_no_known_type(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/vnd.kubernetes.protobuf"}

    answer = await http.post("/api/v1/namespaces", content=b"k8s\0", headers=headers)

    assert (answer.status_code, answer.json()["reason"]) == (415, "UnsupportedMediaType")
