"""Recorded courses of events, replayed as what happens to pods: the lab's slices mean the same at every step.

What is replayed is written as Service, Pod and Node objects; the recording tells only what the slices must then say.
Compared is what each pod's endpoint says, not which slice it stands in: that depends on timing in a real cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import pytest

from benchmarks.lab.kinds import ENDPOINT_SLICE, Object
from benchmarks.lab.slices import MAX_ENDPOINTS, Plan, plan_slices
from benchmarks.lab.store import Store

from .recordings import entries

ZONES = {"node-a": "zone-a", "node-b": "zone-b", "node-c": ""}
GONE_AT = "2026-11-23T07:18:00Z"
PORTS = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "grpc", "port": 9080, "targetPort": 50051}]

Meaning = dict[tuple[str, str, int], dict[str, Any]]
"""By pod, address and port of the pod: what its endpoint says."""


def meaning(slices: Iterable[Object]) -> Meaning:
    return {
        (endpoint["targetRef"]["name"], address, port["port"]): {
            "port": (port["name"], port["protocol"]),
            "conditions": endpoint["conditions"],
            "zone": endpoint.get("zone"),
            "node": endpoint.get("nodeName"),
            "hints": endpoint.get("hints"),
        }
        for one in slices
        for endpoint in one["endpoints"] or ()
        for address in endpoint["addresses"]
        for port in one["ports"] or ()
    }


class Recording:
    """The recorded slices, followed event by event."""

    def __init__(self, name: str) -> None:
        self.slices: dict[str, Object] = {}
        self._entries = iter(entries(name))
        for entry in self._entries:
            if entry.get("request") == "LIST":
                self.slices = {one["metadata"]["name"]: one for one in json.loads(entry["body"])["items"]}
            if entry.get("request") == "WATCH":
                break

    def steps(self) -> Iterable[tuple[str, list[Meaning]]]:
        """Each step, with what the slices meant after each of the events that it brought about."""
        step, after = "", [meaning(self.slices.values())]
        for entry in self._entries:
            if "step" in entry:
                yield step, after
                step, after = entry["step"], []
            elif "line" in entry and (event := json.loads(entry["line"]))["type"] != "BOOKMARK":
                one = event["object"]
                if event["type"] == "DELETED":
                    del self.slices[one["metadata"]["name"]]
                else:
                    self.slices[one["metadata"]["name"]] = one
                after.append(meaning(self.slices.values()))
        yield step, after


class Replay:
    """The Service and pods of a replay, and the slices that the lab makes of them."""

    def __init__(self, service: str, ports: list[dict[str, Any]], **spec: Any) -> None:
        selector = {"app": service}
        self.service: dict[str, Any] = {
            "metadata": {"name": service, "namespace": "default", "uid": "service", "labels": selector},
            "spec": {"selector": selector, "ports": ports, **spec},
        }
        self.pods: dict[str, dict[str, Any]] = {}
        self._store = Store()

    def start(self, name: str, address: str, node: str, *addresses: str, ready: bool = True) -> None:
        self.pods[name] = {
            "metadata": {"name": name, "namespace": "default", "uid": name, "labels": self.service["spec"]["selector"]},
            "spec": {"nodeName": node},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": ip} for ip in (address, *addresses)]},
        }
        self.turn(name, ready=ready)

    def turn(self, name: str, *, ready: bool) -> None:
        self.pods[name]["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]

    def terminate(self, name: str) -> None:
        self.pods[name]["metadata"]["deletionTimestamp"] = GONE_AT

    def gone(self, name: str) -> None:
        del self.pods[name]

    def slices(self) -> tuple[Object, ...]:
        """After the controller has written them, and has nothing left to write."""
        pods = deepcopy(tuple(self.pods.values()))
        plan = plan_slices(self.service, pods, self._store.list(ENDPOINT_SLICE), ZONES)
        for new in plan.create:
            self._store.create(ENDPOINT_SLICE, "default", new)
        for new in plan.update:
            self._store.update(ENDPOINT_SLICE, "default", new)
        for old in plan.delete:
            self._store.delete(ENDPOINT_SLICE, "default", old["metadata"]["name"])
        slices = self._store.list(ENDPOINT_SLICE)
        assert plan_slices(self.service, pods, slices, ZONES) == Plan((), (), ())
        assert max(len(one["endpoints"] or ()) for one in slices) <= MAX_ENDPOINTS
        return slices

    def meaning(self) -> Meaning:
        return meaning(self.slices())

    def follow(self, recorded: Meaning) -> None:
        """Do to the pods what the kubelet must have done before the recorded slices could say what they say.

        Taken from there are a pod's existence, place and address, whether it serves and whether it terminates.
        """
        seen = set()
        for (name, address, _port), endpoint in recorded.items():
            seen.add(name)
            conditions = endpoint["conditions"]
            if name not in self.pods:
                self.start(name, address, endpoint["node"])
            self.turn(name, ready=conditions["serving"])
            if conditions["terminating"]:
                self.terminate(name)
        for name in self.pods.keys() - seen:
            self.gone(name)


def distinct(meanings: list[Meaning]) -> list[Meaning]:
    """Without repetitions in a row: an event may change nothing but an annotation."""
    return [each for number, each in enumerate(meanings) if number == 0 or each != meanings[number - 1]]


def test_lifecycle() -> None:
    replay = Replay("echo", PORTS)
    actions: dict[str, list[Callable[[], None]]] = {
        "pod echo-0 created, ready": [lambda: replay.start("echo-0", "10.64.0.1", "node-a")],
        "pod echo-1 created, ready": [lambda: replay.start("echo-1", "10.64.0.2", "node-b")],
        "pod echo-2 created, ready": [lambda: replay.start("echo-2", "10.64.0.3", "node-a")],
        "echo-1 not ready": [lambda: replay.turn("echo-1", ready=False)],
        "echo-1 ready again": [lambda: replay.turn("echo-1", ready=True)],
        "echo-0 deleted gracefully (still ready: terminating and serving)": [lambda: replay.terminate("echo-0")],
        "echo-0 no longer ready": [lambda: replay.turn("echo-0", ready=False)],
        "echo-0 gone": [lambda: replay.gone("echo-0")],
        "echo-1 and echo-2 deleted gracefully: only terminating endpoints are left": [
            lambda: replay.terminate("echo-1"),
            lambda: replay.terminate("echo-2"),
        ],
        "echo-1 and echo-2 gone: no endpoint": [lambda: replay.gone("echo-1"), lambda: replay.gone("echo-2")],
        "pod echo-3 created, ready": [lambda: replay.start("echo-3", "10.64.0.4", "node-b")],
        "service created": [lambda: None],
    }
    done = set()
    for step, after in Recording("lifecycle").steps():
        if step in {"", "service deleted"}:
            assert after[-1:] in ([], [{}])
            continue
        made = []
        for act in actions[step]:
            act()
            made.append(replay.meaning())
        assert made == distinct(after), step
        done.add(step)
    assert done == actions.keys()


def test_zones() -> None:
    replay = Replay("echo", PORTS, trafficDistribution="PreferSameZone")
    for number, node in enumerate(["node-a", "node-b", "node-a", "node-b"]):
        replay.start(f"echo-{number}", f"10.64.0.{number + 1}", node)
    spec = replay.service["spec"]
    actions: dict[str, Callable[[], object]] = {
        "": lambda: None,
        "PreferSameNode": lambda: spec.update(trafficDistribution="PreferSameNode"),
        "a pod on a node without a zone": lambda: replay.start("echo-9", "10.64.0.10", "node-c"),
        "no traffic distribution": lambda: spec.pop("trafficDistribution"),
    }
    steps = dict(Recording("zones").steps())
    assert steps.keys() == actions.keys()
    for step, after in steps.items():
        actions[step]()
        assert replay.meaning() == after[-1], step


def test_unready_addresses_that_are_published() -> None:
    replay = Replay("web", [{"name": "http", "port": 8080}], clusterIP="None", publishNotReadyAddresses=True)
    before, (_, started), (_, ended) = Recording("not-ready-published").steps()
    assert replay.meaning() == before[1][-1]

    made = []
    replay.start("web-0", "10.64.0.1", "node-a")
    made.append(replay.meaning())
    replay.start("web-1", "10.64.0.2", "node-b", ready=False)
    made.append(replay.meaning())
    assert made == distinct(started)

    replay.terminate("web-0")
    assert replay.meaning() == ended[-1]


def test_dual_stack() -> None:
    replay = Replay("web", [{"name": "http", "port": 8080}], ipFamilies=["IPv4", "IPv6"])
    (_, before), (_, after) = Recording("dual-stack").steps()
    assert replay.meaning() == before[-1]
    assert sorted(one["addressType"] for one in replay.slices()) == ["IPv4", "IPv6"]

    replay.start("web-0", "10.64.0.1", "node-a", "fd00:64::1")
    assert replay.meaning() in after
    replay.start("web-1", "10.64.0.2", "node-b", "fd00:64::2")
    assert replay.meaning() == after[-1]


@pytest.mark.parametrize("name", ["rollout", "many-slices"])
def test_pods_that_come_and_go_by_the_dozen(name: str) -> None:
    replay = Replay("echo", PORTS)
    compared = 0
    for step, after in Recording(name).steps():
        for recorded in after:
            replay.follow(recorded)
            assert replay.meaning() == recorded, step
            compared += 1
    assert compared > 30


def test_slices_are_filled_and_not_packed_anew_as_recorded() -> None:
    replay = Replay("echo", PORTS)
    recording = Recording("many-slices")
    for recorded in next(iter(recording.steps()))[1]:
        replay.follow(recorded)
    assert sizes(replay.slices()) == sizes(recording.slices.values()) == [30, 100]

    # As the recording says of the first slice to change: it is filled before another is begun.
    before = {one["metadata"]["name"]: len(one["endpoints"]) for one in replay.slices()}
    for number in range(130, 200):
        replay.start(f"echo-{number}", f"10.70.0.{number - 129}", "node-a")
    assert sizes(replay.slices()) == [100, 100]
    replay.start("echo-200", "10.70.1.1", "node-a")
    assert sizes(replay.slices()) == [1, 100, 100]
    assert before.keys() < {one["metadata"]["name"] for one in replay.slices()}


def sizes(slices: Iterable[Object]) -> list[int]:
    return sorted(len(one["endpoints"]) for one in slices)
