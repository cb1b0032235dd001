"""k8s/README.md tells the truth: the walk-through in a lab of its own comes to what the page shows."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from tests.inside import needs_kernel
from tests.kubectl import why_no_kubectl
from tests.lab.test_up import inside, up

from .built import FOLDER, OVERLAYS

pytestmark = [needs_kernel, pytest.mark.skipif(why_no_kubectl() is not None, reason=str(why_no_kubectl()))]

POD = re.compile(r"echo-[a-z0-9]+-[a-z0-9]+")
PAGE = (FOLDER / "README.md").read_text()


@pytest.fixture(scope="module")
def walk() -> dict[str, Any]:
    with up("--pods", "0"):
        done = inside(sys.executable, "-m", "tests.k8s.walk")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shape(text: str) -> str:
    """An answer, with its pods numbered as they come."""
    numbers: dict[str, int] = {}
    return POD.sub(lambda match: f"pod {numbers.setdefault(match[0], len(numbers))}", text)


def endpoints(described: str) -> list[list[str]]:
    """The ports of each `Endpoints:` line."""
    lines = re.findall(r"^Endpoints: +(\S+)$", described, re.MULTILINE)
    return [[address.rpartition(":")[2] for address in line.split(",")] for line in lines]


def test_the_service_has_an_endpoint_and_then_two(walk: dict[str, Any]) -> None:
    assert endpoints(walk["one"]) == [["8081"], ["8082"]]
    assert endpoints(walk["two"]) == [["8081", "8081"], ["8082", "8082"]] == endpoints(PAGE)
    for line in re.findall(r"^(?:Port|TargetPort): .*$", PAGE, re.MULTILINE):
        assert line in walk["two"].splitlines()


def test_the_consumer_hears_of_the_second_pod(walk: dict[str, Any]) -> None:
    for answer in (walk["first"], walk["second"]):
        assert POD.fullmatch(answer["pod"])
        assert all(answer[each] for each in ("node", "zone", "peer"))
    assert walk["first"]["pod"] != walk["second"]["pod"]


def test_two_calls_reach_two_pods(walk: dict[str, Any]) -> None:
    shown, answered = walk["kind-two"]
    assert shape(answered) == shape(shown) == "('pod 0', 'pod 1')"


def test_grpc_sticks_to_one_pod(walk: dict[str, Any]) -> None:
    shown, answered = walk["kind-grpc-service"]
    assert shape(answered) == shape(shown) == "Counter({'pod 0': 100})"


def test_discovery_unsticks_it(walk: dict[str, Any]) -> None:
    shown, answered = walk["kind-grpc-watched"]
    calls = [[int(number) for number in re.findall(r": (\d+)", text)] for text in (shown, answered)]
    assert [(len(each), sum(each)) for each in calls] == [(2, 100), (2, 100)]


def test_every_overlay_that_the_page_names_is_there() -> None:
    named = {*re.findall(r"k8s/overlays/([a-z-]+)", PAGE)}
    assert named == {name for name in OVERLAYS if name.startswith("kind")}
