"""What patches make of objects; the examples are those of the specifications, and what kubectl sends."""

from typing import Any

import pytest

from benchmarks.lab.patches import json_patch, merge_patch, strategic_merge_patch
from benchmarks.lab.store_errors import InvalidError, MalformedPatchError


@pytest.mark.parametrize(
    ("target", "operation", "result"),
    [
        ({"a": {"b": "c"}}, {"op": "add", "path": "/a/d", "value": 1}, {"a": {"b": "c", "d": 1}}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": [2]}, {"a": [1, [2]]}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/a"}, {"b": 2}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"a": [1, 2]}, {"op": "replace", "path": "/a/0", "value": 9}, {"a": [9, 2]}),
        ({"a": {"x": 1}, "b": {}}, {"op": "move", "from": "/a/x", "path": "/b/y"}, {"a": {}, "b": {"y": 1}}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        ({"a": {"x": 1}}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": {"x": 1}, "b": {"x": 1}}),
        ({"a/b": {"m~n": 1}}, {"op": "replace", "path": "/a~1b/m~0n", "value": 2}, {"a/b": {"m~n": 2}}),
        ({"a": 1}, {"op": "test", "path": "/a", "value": 1}, {"a": 1}),
        ({"a": 1}, {"op": "replace", "path": "", "value": {"b": 2}}, {"b": 2}),
    ],
)
def test_json_patch(target: Any, operation: dict[str, Any], result: Any) -> None:
    before = repr(target)

    assert json_patch(target, [operation]) == result
    assert repr(target) == before


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ({"op": "remove", "path": "/b"}, InvalidError),
        ({"op": "replace", "path": "/b", "value": 1}, InvalidError),
        ({"op": "add", "path": "/b/c", "value": 1}, InvalidError),
        ({"op": "add", "path": "/a/5", "value": 1}, InvalidError),
        ({"op": "test", "path": "/a", "value": 1}, InvalidError),
        ({"op": "add", "path": "/b"}, MalformedPatchError),
        ({"op": "add", "path": "b", "value": 1}, MalformedPatchError),
        ({"op": "jump", "path": "/a"}, MalformedPatchError),
        ("remove", MalformedPatchError),
    ],
)
def test_json_patch_refuses(operation: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        json_patch({"a": [1]}, [operation])


def test_merge_patch_replaces_lists_and_removes_nulls() -> None:
    assert merge_patch({"a": [1], "b": {"c": 1, "d": 2}}, {"a": [2], "b": {"c": None, "e": {"f": None}}}) == {
        "a": [2],
        "b": {"d": 2, "e": {}},
    }


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        (
            {"containers": [{"name": "a", "image": "1"}, {"name": "b"}]},
            {"containers": [{"name": "a", "tty": True}, {"name": "c"}]},
            {"containers": [{"name": "a", "image": "1", "tty": True}, {"name": "b"}, {"name": "c"}]},
        ),
        (
            {"containers": [{"name": "a"}, {"name": "b"}]},
            {"containers": [{"name": "a", "$patch": "delete"}], "$setElementOrder/containers": [{"name": "b"}]},
            {"containers": [{"name": "b"}]},
        ),
        ({"ports": [{"containerPort": 1}]}, {"ports": [{"containerPort": 1, "name": "x"}]}, None),
        ({"ports": [{"port": 1}]}, {"ports": [{"port": 1, "name": "x"}]}, None),
        ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
        ({"ports": [{"port": 1}]}, {"ports": [{"$patch": "replace"}, {"port": 2}]}, {"ports": [{"port": 2}]}),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"$retainKeys": ["c"], "c": 3}}, {"a": {"c": 3}}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"finalizers": ["b"]}),
        ({"finalizers": ["a"]}, {"finalizers": ["a", "b"]}, {"finalizers": ["a", "b"]}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({}, {"containers": [{"name": "a", "tty": None}]}, {"containers": [{"name": "a"}]}),
    ],
)
def test_strategic_merge_patch(target: Any, patch: Any, result: Any) -> None:
    if result is None:
        result = {"ports": [{**target["ports"][0], "name": "x"}]}

    assert strategic_merge_patch(target, patch) == result


@pytest.mark.parametrize("patch", [{"containers": [{"image": "1"}]}, {"a": {"$patch": "merge-all"}}])
def test_strategic_merge_patch_refuses(patch: Any) -> None:
    with pytest.raises(MalformedPatchError):
        strategic_merge_patch({"containers": []}, patch)
