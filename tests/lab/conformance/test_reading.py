"""LIST and WATCH: selectors, pages, versions, bookmarks, streaming lists, history that is gone."""

import json
from typing import Any

import pytest
from kubernetes.client import ApiException

from tests.target import Target

from .objects import endpoint_slice, make_slices, service, watching


def listed(target: Target, mark: str, **options: Any) -> Any:
    return target.slices.list_namespaced_endpoint_slice(target.namespace, label_selector=f"test={mark}", **options)


def names(items: Any) -> list[str]:
    return [item.metadata.name for item in items]


def refused(refusal: pytest.ExceptionInfo[ApiException]) -> tuple[int, str]:
    assert refusal.value.body is not None
    status = json.loads(refusal.value.body)
    assert (status["kind"], status["status"]) == ("Status", "Failure")
    assert status["code"] == refusal.value.status
    return status["code"], status["reason"]


def test_label_selectors(target: Target, mark: str) -> None:
    first, second = make_slices(target, mark, 2)
    body = {"metadata": {"labels": {"tier": "db"}}}
    target.slices.patch_namespaced_endpoint_slice(second, target.namespace, body)

    def found(selector: str) -> list[str]:
        options = {"label_selector": f"test={mark},{selector}"}
        return names(target.slices.list_namespaced_endpoint_slice(target.namespace, **options).items)

    assert found("tier=db") == found("tier") == found("tier in (db,web)") == [second]
    assert found("tier!=db") == found("!tier") == found("tier notin (db)") == [first]


def test_field_selectors(target: Target, mark: str) -> None:
    first, second = make_slices(target, mark, 2)

    assert names(listed(target, mark, field_selector=f"metadata.name={second}").items) == [second]
    assert names(listed(target, mark, field_selector=f"metadata.name!={second}").items) == [first]
    with pytest.raises(ApiException) as unknown:
        target.core.list_namespaced_pod(target.namespace, field_selector="spec.unknown=x")
    assert refused(unknown) == (400, "BadRequest")
    assert target.core.list_namespaced_pod(target.namespace, field_selector="spec.nodeName=nowhere").items == []


def test_pages_show_the_list_as_it_was_when_it_began(target: Target, mark: str) -> None:
    made = make_slices(target, mark, 5)

    page = listed(target, mark, limit=2)
    version, found = page.metadata.resource_version, names(page.items)
    target.slices.delete_namespaced_endpoint_slice(made[4], target.namespace)
    make_slices(target, f"{mark}-z", 1)
    while page.metadata._continue:
        page = listed(target, mark, limit=2, _continue=page.metadata._continue)
        assert page.metadata.resource_version == version
        found += names(page.items)

    assert found == made


def test_a_page_without_selectors_counts_what_remains(target: Target, mark: str) -> None:
    for number in range(3):
        target.core.create_namespaced_service(target.namespace, service(f"{mark}-{number}", mark))
    everything = len(target.core.list_namespaced_service(target.namespace).items)

    page = target.core.list_namespaced_service(target.namespace, limit=1)

    assert page.metadata.remaining_item_count == everything - 1


def test_a_token_that_is_none_is_refused(target: Target, mark: str) -> None:
    with pytest.raises(ApiException) as invalid:
        listed(target, mark, limit=1, _continue="nonsense")

    assert refused(invalid) == (400, "BadRequest")


def test_an_exact_version_shows_the_past(target: Target, mark: str) -> None:
    (name,) = make_slices(target, mark, 1)
    version = listed(target, mark).metadata.resource_version
    target.slices.delete_namespaced_endpoint_slice(name, target.namespace)

    past = listed(target, mark, resource_version=version, resource_version_match="Exact")

    assert names(past.items) == [name]
    assert listed(target, mark).items == []


@pytest.mark.parametrize(
    "options",
    [
        {"resource_version_match": "Exact"},
        {"resource_version_match": "Exact", "resource_version": "0"},
        {"resource_version_match": "Sometimes", "resource_version": "1"},
        {"send_initial_events": True, "watch": True},
        {"watch": True, "resource_version_match": "NotOlderThan"},
    ],
)
def test_contradictory_options_are_invalid(target: Target, mark: str, options: dict[str, Any]) -> None:
    with pytest.raises(ApiException) as invalid:
        listed(target, mark, **options)

    assert refused(invalid) == (422, "Invalid")


def test_a_list_of_a_version_from_the_future_is_to_be_tried_again(target: Target, mark: str) -> None:
    version = int(listed(target, mark).metadata.resource_version) + 1_000_000

    with pytest.raises(ApiException) as early:
        listed(target, mark, resource_version=str(version), resource_version_match="NotOlderThan")

    assert refused(early) == (504, "Timeout")
    assert early.value.headers is not None
    assert early.value.headers["Retry-After"] == "1"
    assert "Too large resource version" in str(early.value.body)


def test_a_watch_follows_from_a_version(target: Target, mark: str) -> None:
    version = listed(target, mark).metadata.resource_version
    (name,) = make_slices(target, mark, 1)
    target.slices.patch_namespaced_endpoint_slice(name, target.namespace, {"metadata": {"labels": {"x": "y"}}})
    target.slices.delete_namespaced_endpoint_slice(name, target.namespace)

    with watching(target, label_selector=f"test={mark}", resource_version=version) as events:
        seen = [next(events) for _ in range(3)]

    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert {event["object"]["kind"] for event in seen} == {"EndpointSlice"}
    assert seen[2]["object"]["metadata"]["labels"] == {"test": mark, "x": "y"}
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))


def test_objects_come_and_go_by_their_labels(target: Target, mark: str) -> None:
    (name,) = make_slices(target, mark, 1)

    def relabel(value: str) -> None:
        body = {"metadata": {"labels": {"test": value}}}
        target.slices.patch_namespaced_endpoint_slice(name, target.namespace, body)

    with watching(target, label_selector=f"test={mark}") as events:
        seen = [next(events)]
        relabel("other")
        seen.append(next(events))
        relabel(mark)
        seen.append(next(events))

    assert [event["type"] for event in seen] == ["ADDED", "DELETED", "ADDED"]


def test_a_watch_ends_in_time_with_a_bookmark_before(target: Target, mark: str) -> None:
    version = listed(target, mark).metadata.resource_version
    options = {"resource_version": version, "allow_watch_bookmarks": True, "timeout_seconds": 4}

    with watching(target, label_selector=f"test={mark}", **options) as events:
        seen = list(events)

    assert seen
    assert {event["type"] for event in seen} == {"BOOKMARK"}
    bookmark = seen[-1]["object"]
    assert bookmark["metadata"].keys() == {"resourceVersion"}
    assert int(bookmark["metadata"]["resourceVersion"]) >= int(version)


def test_a_streaming_list_tells_where_it_ends(target: Target, mark: str) -> None:
    made = make_slices(target, mark, 2)
    options = {"send_initial_events": True, "resource_version_match": "NotOlderThan", "allow_watch_bookmarks": True}

    with watching(target, label_selector=f"test={mark}", **options) as events:
        initial = [next(events), next(events)]
        end = next(events)
        late = endpoint_slice(f"{mark}-late", mark)
        target.slices.create_namespaced_endpoint_slice(target.namespace, late)
        live = next(events)

    assert sorted(event["object"]["metadata"]["name"] for event in initial) == made
    assert end["type"] == "BOOKMARK"
    assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert (live["type"], live["object"]["metadata"]["name"]) == ("ADDED", f"{mark}-late")


def test_a_watch_from_a_version_that_is_gone_ends_with_410(target: Target, mark: str) -> None:
    make_slices(target, mark, 1)
    target.compact()

    with watching(target, resource_version="1") as events:
        (error,) = events

    assert error["type"] == "ERROR"
    assert (error["object"]["code"], error["object"]["reason"]) == (410, "Expired")
