import asyncio
import re
import time
from typing import Any

import pytest

from benchmarks.lab.history import Event
from benchmarks.lab.kinds import ENDPOINT_SLICE, POD, SERVICE, Object
from benchmarks.lab.label_selectors import LabelSelector
from benchmarks.lab.store import Store
from benchmarks.lab.store_errors import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    InvalidError,
    NotFoundError,
)


def pod(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": "node-a"}}


def seen(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"]["name"]) for event in events]


def names(objects: tuple[Object, ...]) -> list[tuple[str, str]]:
    return [(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in objects]


def test_create_fills_in_what_the_server_owns() -> None:
    store = Store()

    created = store.create(POD, "default", pod("echo-0"))

    metadata = created["metadata"]
    assert (created["kind"], created["apiVersion"]) == ("Pod", "v1")
    assert (metadata["namespace"], metadata["generation"]) == ("default", 1)
    assert metadata["resourceVersion"] == str(store.version)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert store.get(POD, "default", "echo-0") == created


def test_names_are_generated_from_a_prefix() -> None:
    store = Store()

    made = [store.create(ENDPOINT_SLICE, "default", {"metadata": {"generateName": "echo-"}}) for _ in range(50)]

    found = {obj["metadata"]["name"] for obj in made}
    assert len(found) == 50
    assert all(re.fullmatch("echo-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in found)


def test_the_store_keeps_its_own_copy() -> None:
    store, mine = Store(), pod("echo-0", app="echo")
    store.create(POD, "default", mine)

    mine["metadata"]["labels"]["app"] = "changed"

    assert store.get(POD, "default", "echo-0")["metadata"]["labels"] == {"app": "echo"}


@pytest.mark.parametrize(
    ("metadata", "culprit"),
    [
        ({}, "name or generateName is required"),
        ({"name": "Echo"}, 'Pod "Echo" is invalid: metadata.name: must consist of lower case letters'),
        ({"name": "a/b"}, 'Pod "a/b" is invalid'),
        ({"name": "echo", "labels": "app"}, "metadata.labels: must map strings to strings"),
        ({"name": "echo", "labels": {"app": 1}}, "metadata.labels: must map strings to strings"),
    ],
)
def test_what_is_not_an_object_is_refused(metadata: dict[str, Any], culprit: str) -> None:
    store = Store()

    with pytest.raises(InvalidError, match=re.escape(culprit)):
        store.create(POD, "default", {"metadata": metadata})

    assert store.list(POD) == ()


def test_a_name_is_taken_once_per_kind_and_namespace() -> None:
    store = Store()
    store.create(POD, "default", pod("echo"))
    store.create(POD, "other", pod("echo"))
    store.create(SERVICE, "default", {"metadata": {"name": "echo"}})

    with pytest.raises(AlreadyExistsError, match='pods "echo" already exists'):
        store.create(POD, "default", pod("echo"))


def test_what_is_absent_is_named_with_its_group() -> None:
    store = Store()

    with pytest.raises(NotFoundError, match=r'^endpointslices\.discovery\.k8s\.io "echo" not found$'):
        store.get(ENDPOINT_SLICE, "default", "echo")
    with pytest.raises(NotFoundError):
        store.patch(POD, "default", "echo", {})
    with pytest.raises(NotFoundError):
        store.delete(POD, "default", "echo")


def test_list_is_by_namespace_and_labels_in_order() -> None:
    store = Store()
    for namespace, name, app in [("b", "x", "echo"), ("a", "z", "echo"), ("a", "y", "web")]:
        store.create(POD, namespace, pod(name, app=app))

    assert names(store.list(POD)) == [("a", "y"), ("a", "z"), ("b", "x")]
    assert names(store.list(POD, "a")) == [("a", "y"), ("a", "z")]
    assert names(store.list(POD, selector=LabelSelector.parse("app=echo"))) == [("a", "z"), ("b", "x")]


def test_update_keeps_identity_and_counts_generations_of_the_content() -> None:
    store = Store()
    first = store.create(POD, "default", pod("echo-0"))

    labelled = store.update(POD, "default", pod("echo-0", app="echo"))
    ready = store.update(POD, "default", {**labelled, "status": {"phase": "Running"}})
    moved = store.update(POD, "default", {**ready, "spec": {"nodeName": "node-b"}})

    assert {obj["metadata"]["uid"] for obj in (first, labelled, ready, moved)} == {first["metadata"]["uid"]}
    assert [obj["metadata"]["generation"] for obj in (labelled, ready, moved)] == [1, 1, 2]
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in (first, labelled, ready, moved)]
    assert versions == sorted(set(versions))


def test_an_update_that_changes_nothing_is_no_change() -> None:
    store = Store()
    first = store.create(POD, "default", pod("echo-0"))
    watch = store.watch(POD)

    assert store.update(POD, "default", first) is first
    assert watch.take() == []


def test_an_update_from_an_old_version_conflicts() -> None:
    store = Store()
    first = store.create(POD, "default", pod("echo-0"))
    store.patch(POD, "default", "echo-0", {"metadata": {"labels": {"app": "echo"}}})

    with pytest.raises(ConflictError, match='on pods "echo-0": the object has been modified'):
        store.update(POD, "default", first)
    with pytest.raises(ConflictError):
        store.patch(POD, "default", "echo-0", {"metadata": {"uid": "another"}})


def test_merge_patch_sets_removes_and_replaces_lists() -> None:
    store = Store()
    store.create(POD, "default", {"metadata": {"name": "p", "labels": {"a": "1", "b": "2"}}, "status": {"ips": [1, 2]}})

    patched = store.patch(
        POD, "default", "p", {"metadata": {"labels": {"a": None, "c": "3"}}, "status": {"ips": [3], "new": {"x": None}}}
    )

    assert patched["metadata"]["labels"] == {"b": "2", "c": "3"}
    assert patched["status"] == {"ips": [3], "new": {}}


@pytest.mark.parametrize("patch", [{"metadata": None}, {"metadata": {"name": "other"}}])
def test_a_patch_cannot_rename(patch: dict[str, Any]) -> None:
    store = Store()
    before = store.create(POD, "default", pod("echo-0"))

    with pytest.raises(InvalidError, match=r"metadata\.name: field is immutable"):
        store.patch(POD, "default", "echo-0", patch)

    assert store.get(POD, "default", "echo-0") == before


def test_watch_replays_from_a_version_and_follows() -> None:
    store = Store()
    start = store.version
    store.create(POD, "default", pod("a"))
    store.create(POD, "other", pod("b"))
    store.create(SERVICE, "default", {"metadata": {"name": "a"}})
    everywhere = store.watch(POD, version=start)
    inside = store.watch(POD, "default", version=start)

    assert seen(everywhere.take()) == [("ADDED", "a"), ("ADDED", "b")]
    assert seen(inside.take()) == [("ADDED", "a")]
    assert everywhere.version == store.version

    store.delete(POD, "default", "a")

    (deleted,) = inside.take()
    assert deleted.type == "DELETED"
    assert deleted.object["spec"] == {"nodeName": "node-a"}
    assert deleted.object["metadata"]["resourceVersion"] == str(store.version)
    assert inside.take() == []


def test_through_a_selector_objects_come_and_go_by_their_labels() -> None:
    store = Store()
    watch = store.watch(POD, selector=LabelSelector.parse("app=echo"))
    store.create(POD, "default", pod("a"))
    joined = store.patch(POD, "default", "a", {"metadata": {"labels": {"app": "echo"}}})
    store.patch(POD, "default", "a", {"status": {"phase": "Running"}})
    store.patch(POD, "default", "a", {"metadata": {"labels": {"app": "web"}}})
    store.delete(POD, "default", "a")

    added, modified, deleted = watch.take()

    assert (added.type, modified.type, deleted.type) == ("ADDED", "MODIFIED", "DELETED")
    assert added.object == joined
    # As the reader last saw it, but under the version of the change that hid it.
    assert deleted.object["metadata"]["labels"] == {"app": "echo"}
    assert deleted.object["metadata"]["resourceVersion"] == str(store.version - 1)


def test_commits_tell_when_they_were_made() -> None:
    store = Store()
    watch = store.watch(POD)
    moments = [time.monotonic()]
    store.create(POD, "default", pod("a"))
    moments.append(time.monotonic())
    store.delete(POD, "default", "a")
    moments.append(time.monotonic())

    created, deleted = (event.committed_at for event in watch.take())

    assert moments[0] <= created <= moments[1] <= deleted <= moments[2]


def test_a_reader_behind_the_history_is_told_to_list_again() -> None:
    store = Store(history=3)
    slow = store.watch(POD)
    for name in "abc":
        store.create(POD, "default", pod(name))
    just_in_time = store.watch(POD, version=slow.version)
    assert seen(just_in_time.take()) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]

    store.create(POD, "default", pod("d"))

    assert seen(just_in_time.take()) == [("ADDED", "d")]
    with pytest.raises(ExpiredError, match=r"^too old resource version: 1 \(2\)$"):
        slow.take()


def test_compaction_leaves_the_current_version_usable() -> None:
    store = Store()
    store.create(POD, "default", pod("a"))
    current = store.watch(POD)
    store.compact()

    with pytest.raises(ExpiredError):
        store.watch(POD, version=store.version - 1).take()
    store.create(POD, "default", pod("b"))
    assert seen(current.take()) == [("ADDED", "b")]


async def test_iteration_waits_for_commits_and_ends_when_closed() -> None:
    store = Store()
    watch = store.watch(POD)
    found: list[str] = []
    enough = asyncio.Event()

    async def follow() -> None:
        async for event in watch:
            found.append(event.object["metadata"]["name"])
            if len(found) == 3:
                enough.set()

    following = asyncio.create_task(follow())
    store.create(POD, "default", pod("a"))
    await asyncio.sleep(0)
    store.create(POD, "default", pod("b"))
    store.create(POD, "default", pod("c"))
    await enough.wait()
    watch.close()
    await following

    assert found == ["a", "b", "c"]


async def test_a_version_from_the_future_is_silent_until_it_is_reached() -> None:
    store = Store()
    watch = store.watch(POD, version=store.version + 1)
    store.create(POD, "default", pod("a"))
    assert watch.take() == []

    store.create(POD, "default", pod("b"))

    assert seen(watch.take()) == [("ADDED", "b")]
