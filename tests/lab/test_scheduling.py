"""Where a pod is put, and what is said where no node takes it."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.lab.scheduling import Unschedulable, node_for


def node(name: str, *, cordoned: bool = False, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"unschedulable": True} if cordoned else {}}


def pod(node: str = "", phase: str = "Running", **selector: str) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {"nodeName": node, "nodeSelector": selector}, "status": {"phase": phase}}


def test_the_node_with_the_fewest_pods_takes_it() -> None:
    nodes = [node("a"), node("b"), node("c", cordoned=True)]
    assert node_for(pod(), nodes, [pod("a"), pod("a"), pod("b")]) == "b"
    assert node_for(pod(), nodes, [pod("a"), pod("b"), pod("b", "Succeeded")]) == "a"


def test_a_selector_is_heeded() -> None:
    assert node_for(pod(disk="ssd"), [node("a"), node("b", disk="ssd")], [pod("b")]) == "b"


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [node("a", cordoned=True), node("b", cordoned=True), node("c", cordoned=True)],
            "0/3 nodes are available: 3 node(s) were unschedulable.",
        ),
        (
            [node("a", cordoned=True), node("b"), node("c", disk="hdd")],
            "0/3 nodes are available: "
            "1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector.",
        ),
        ([], "no nodes available to schedule pods"),
    ],
)
def test_no_node_takes_it(nodes: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(Unschedulable) as refused:
        node_for(pod(disk="ssd"), nodes, [])
    assert str(refused.value) == message
