"""Any course of writes, moves, cut streams and new lists, against a model, on a clock of the test's own.

Writes to different slices reach the cluster in any order, those to one slice in theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from discovery.resolvers._moves import Moves
from discovery.resolvers._slices import Slices
from tests.discovery.recordings import Objects, after, expected, hosts, read

HOLD_MS = 20

FAMILIES = {"a": "IPv4", "b": "IPv4", "c": "IPv4", "d": "IPv6", "e": "FQDN"}
"""Of each slice by its name, which stays what it is."""
PODS = range(1, 4)

HTTP, MOVED = {"name": "http", "port": 80, "protocol": "TCP"}, {"name": "http", "port": 81, "protocol": "TCP"}
GRPC, UDP = {"name": "grpc", "port": 90, "protocol": "TCP"}, {"name": "http", "port": 80, "protocol": "UDP"}
PORTS = [[HTTP], [HTTP, GRPC], [GRPC, MOVED], [MOVED], [UDP, GRPC], [{"name": "http", "protocol": "TCP"}], [], None]

names = st.sampled_from([*FAMILIES])
pods = st.sampled_from(PODS)
values = st.none() | st.booleans()
conditions = st.one_of(
    st.sampled_from([{"ready": True}, None, {}]),
    st.fixed_dictionaries({"ready": st.just(False)}, optional={"serving": values, "terminating": values}),
    st.fixed_dictionaries({}, optional={"ready": values, "serving": values, "terminating": values}),
)

Write = Callable[[Any], Any]
"""From a slice as it is, None where there is none, to what it shall be, None to delete it."""


def endpoint(name: str, pod: int, said: Any) -> dict[str, Any]:
    address = {"IPv4": f"10.0.0.{pod}", "IPv6": f"fd00::{pod}", "FQDN": f"pod-{pod}.example.org"}[FAMILIES[name]]
    return {"addresses": [address], **({} if said is None else {"conditions": said})}


def written(name: str, ports: Any, endpoints: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "addressType": FAMILIES[name], "ports": ports, "endpoints": endpoints}


def without(item: Any, address: str) -> list[Any]:
    return [each for each in (item and item["endpoints"]) or () if each["addresses"] != [address]]


def is_ready(said: Any) -> bool:
    return (said.get("conditions") or {}).get("ready") is not False


def alone(before: Objects, now: Objects) -> dict[str, list[Objects]]:
    """What was ready in a slice and is in none any more: by its address, each slice in which it was, with it alone."""
    gone: dict[str, list[Objects]] = {}
    for name, item in before.items():
        for each in (item["addressType"] != "FQDN" and item["endpoints"]) or ():
            (address,) = each["addresses"]
            if is_ready(each) and address not in hosts(now):
                gone.setdefault(address, []).append({f"{name} {address}": {**item, "endpoints": [each]}})
    return gone


def joined(*objects: Objects) -> Objects:
    return {name: item for each in objects for name, item in each.items()}


class Course(RuleBasedStateMachine):
    """The controller that writes, the server that tells, and the watcher, with a model of what the watcher knows.

    planned  writes that are still to reach the cluster, by slice
    cluster  the slices there
    log      all events so far, each with its version
    stream   those that are on their way
    told     the slices as the watcher was told them, and told_version the version that came with it
    held     what left them, and until when it is kept
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1000.0
        self.version = 1
        self.slices = Slices()
        self.planned: dict[str, list[Write]] = {}
        self.cluster: Objects = {}
        self.log: list[tuple[int, Any]] = []
        self.stream: list[Any] = []
        self.told: Objects = {}
        self.held: dict[str, tuple[float, list[Objects]]] = {}
        self.moves = Moves(hold_s=HOLD_MS)
        self.list_anew()

    @rule(name=names, ports=st.sampled_from(PORTS), said=st.dictionaries(pods, conditions), none=st.booleans())
    def write(self, name: str, ports: Any, said: dict[int, Any], none: bool) -> None:
        endpoints = [endpoint(name, pod, one) for pod, one in said.items()]
        self._plan(name, lambda _: written(name, ports, endpoints or (None if none else [])))

    @rule(name=names)
    def delete(self, name: str) -> None:
        self._plan(name, lambda _: None)

    @rule(name=names, pod=pods, said=conditions)
    def put(self, name: str, pod: int, said: Any) -> None:
        """It joins, or its conditions flip."""
        new = endpoint(name, pod, said)
        self._plan(
            name,
            lambda item: {
                **(item or written(name, [HTTP], None)),
                "endpoints": [*without(item, new["addresses"][0]), new],
            },
        )

    @rule(name=names, to=names, pod=pods)
    def move(self, name: str, to: str, pod: int) -> None:
        """From slice to slice, in two writes that may reach the cluster in any order."""
        self._remove(name, pod)
        self.put(to, pod, None)

    @rule(pod=pods, tell=st.booleans())
    def leave(self, pod: int, tell: bool) -> None:
        """It leaves every slice, and all that is planned reaches the cluster."""
        for name in FAMILIES:
            self._remove(name, pod)
        self.reach([name for name, writes in self.planned.items() for _ in writes], tell)

    @rule(said=conditions)
    def turn_all(self, said: Any) -> None:
        """As when a Service is scaled to nothing."""
        for name in FAMILIES:
            self._plan(
                name,
                lambda item: (
                    item and {**item, "endpoints": [{**each, "conditions": said} for each in item["endpoints"] or ()]}
                ),
            )

    @rule(name=names, ports=st.sampled_from(PORTS))
    def change_ports(self, name: str, ports: Any) -> None:
        self._plan(name, lambda item: item and {**item, "ports": ports})

    @precondition(lambda self: self.planned)
    @rule(order=st.lists(names, min_size=1, max_size=6), tell=st.booleans())
    def reach(self, order: list[str], tell: bool) -> None:
        """Of these slices the next writes reach the cluster."""
        for name in order:
            if name in self.planned:
                self._reach(name)
        if tell:
            self.receive(len(self.stream))

    @rule()
    def bookmark(self) -> None:
        """Versions are the cluster's, which has other objects too."""
        self.version += 1
        self.stream.append({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.version)}}})

    @precondition(lambda self: self.stream)
    @rule(count=st.integers(1, 5))
    def receive(self, count: int) -> None:
        for event in self.stream[:count]:
            self.slices = read(self.slices, "event", event)
            self._tell(after(self.told, "event", event), event["object"])
        del self.stream[:count]

    @precondition(lambda self: self.stream)
    @rule()
    def cut_and_continue(self) -> None:
        """What is on its way is lost; the server tells all that is newer than what the watcher knows."""
        self.stream = [event for version, event in self.log if version > int(self.slices.version)]

    @precondition(lambda self: self.stream)
    @rule()
    def list_anew(self) -> None:
        """As after a 410."""
        body = {"metadata": {"resourceVersion": str(self.version)}, "items": [*self.cluster.values()]}
        self.stream = []
        self.slices = read(self.slices, "list", body)
        self._tell(after({}, "list", body), body)

    @precondition(lambda self: self.held)
    @rule(passed_ms=st.sampled_from([1, 5, HOLD_MS - 1, HOLD_MS]))
    def wait(self, passed_ms: int) -> None:
        self.now_ms += passed_ms

    @invariant()
    def what_is_published_is_what_the_model_says(self) -> None:
        published = self.moves.slices(self.now_ms)
        self.held = {host: kept for host, kept in self.held.items() if kept[0] > self.now_ms}
        held = [slices for _, slices in self.held.values()]
        kept = joined(self.told, *(each for slices in held for each in slices))
        # Of an address that left several slices in one step; test_moves tells why it should be all of them.
        at_least = joined(self.told, *(slices[0] for slices in held))
        for port in ("http", "grpc", "81", ""):
            snapshot = published.snapshot(port)
            found = {(each.host, each.port) for each in snapshot.endpoints}
            assert len(found) == len(snapshot.endpoints)
            assert snapshot.version == self.told_version
            assert found in (expected(kept, port), expected(at_least, port))
            if found:
                self._nothing_ready_is_missing(found, port)
        lets_go_ms = min((until for until, _ in self.held.values()), default=None)
        assert self.moves.left_s(self.now_ms) == (None if lets_go_ms is None else lets_go_ms - self.now_ms)

    def _nothing_ready_is_missing(self, found: set[tuple[str, int]], port: str) -> None:
        """Of the family that is served."""
        family = "IPv6" if ":" in next(iter(found))[0] else "IPv4"
        for name, item in self.told.items():
            ready = [each for each in item["endpoints"] or () if is_ready(each)]
            if FAMILIES[name] == family and ready:
                assert expected({name: {**item, "endpoints": ready}}, port) <= found

    def teardown(self) -> None:
        """When all writes are there and told, and the hold has passed, the set is the cluster's."""
        self.reach([name for name, writes in self.planned.items() for _ in writes], tell=True)
        self.now_ms += HOLD_MS
        self.what_is_published_is_what_the_model_says()
        assert not self.held
        assert self.told == self.cluster

    def _remove(self, name: str, pod: int) -> None:
        (address,) = endpoint(name, pod, None)["addresses"]
        self._plan(name, lambda item: item and {**item, "endpoints": without(item, address)})

    def _plan(self, name: str, write: Write) -> None:
        self.planned.setdefault(name, []).append(write)

    def _reach(self, name: str) -> None:
        before = self.cluster.get(name)
        item = self.planned[name].pop(0)(before)
        if not self.planned[name]:
            del self.planned[name]
        left = item or before
        if left is None:
            return
        self.version += 1
        kind = "DELETED" if item is None else "ADDED" if before is None else "MODIFIED"
        body = {**left, "metadata": {"name": name, "resourceVersion": str(self.version)}}
        event = {"type": kind, "object": body}
        self.cluster = after(self.cluster, "event", event)
        self.log.append((self.version, event))
        self.stream.append(event)

    def _tell(self, told: Objects, by: Any) -> None:
        before, self.told, self.told_version = self.told, told, by["metadata"]["resourceVersion"]
        self.moves.take(self.slices, self.now_ms)
        for host, items in alone(before, told).items():
            self.held.setdefault(host, (self.now_ms + HOLD_MS, items))
        self.held = {host: kept for host, kept in self.held.items() if host not in hosts(told)}


TestAnyCourse = Course.TestCase
TestAnyCourse.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
