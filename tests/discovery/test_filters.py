"""Filters: which endpoints and nodes are candidates at all."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from discovery import filters
from discovery.balancing import Balancing
from discovery.model import Endpoint
from discovery.node import Node
from discovery.outliers import Health, Outliers, Phase
from discovery.resolvers._slices import Slices
from tests.discovery.pools import Served, endpoints
from tests.discovery.recordings import read, recorded


def hints(*for_each: tuple[str, str]) -> list[Endpoint]:
    """Endpoints with hints of nodes and of zones, each a text of letters."""
    return [
        replace(endpoint, for_nodes=tuple(nodes), for_zones=tuple(zones))
        for endpoint, (nodes, zones) in zip(endpoints(len(for_each)), for_each, strict=True)
    ]


def chosen(hinted: Sequence[Endpoint], node: str, zone: str) -> list[int]:
    """Which of them a client there uses."""
    used = filters.hinted(hinted, node, zone)
    return [at for at, each in enumerate(hinted) if each in used]


@pytest.mark.parametrize(
    ("for_each", "node", "zone", "used"),
    [
        # The same node only if each endpoint has a hint of nodes, and one of them ours.
        ([("n", ""), ("m", ""), ("n", "")], "n", "", [0, 2]),
        ([("n", ""), ("m", ""), ("nm", "")], "m", "", [1, 2]),
        ([("n", ""), ("m", ""), ("", "")], "n", "", [0, 1, 2]),
        ([("n", ""), ("m", "")], "x", "", [0, 1]),
        ([("n", ""), ("m", "")], "", "", [0, 1]),
        # The same zone likewise.
        ([("", "a"), ("", "b"), ("", "a")], "", "a", [0, 2]),
        ([("", "a"), ("", "b"), ("", "")], "", "a", [0, 1, 2]),
        ([("", "a"), ("", "b")], "", "x", [0, 1]),
        ([("", "a"), ("", "b")], "", "", [0, 1]),
        ([("", "ab"), ("", "b")], "n", "b", [0, 1]),
        # The node comes first; where its hints do not apply, the zone's may.
        ([("n", "a"), ("m", "a"), ("m", "b")], "n", "a", [0]),
        ([("n", "a"), ("m", "a"), ("m", "b")], "x", "a", [0, 1]),
        ([("n", "a"), ("", "a"), ("m", "b")], "n", "b", [2]),
        ([("n", "a"), ("m", "")], "x", "a", [0, 1]),
        ([], "n", "a", []),
    ],
)
def test_hints_are_read_as_kube_proxy_reads_them(
    for_each: list[tuple[str, str]], node: str, zone: str, used: list[int]
) -> None:
    assert chosen(hints(*for_each), node, zone) == used


def kube_proxy(hinted: Sequence[Endpoint], node: str, zone: str) -> list[int]:
    """The rules once more, in the order of kube-proxy's `topologyModeFromHints` and `availableForTopology` (1.34)."""
    has_node = has_zone = False
    all_node = all_zone = True
    for each in hinted:
        if not each.for_nodes:
            all_node = False
        elif node in each.for_nodes:
            has_node = True
        if not each.for_zones:
            all_zone = False
        elif zone in each.for_zones:
            has_zone = True
    if all_node and has_node:
        return [at for at, each in enumerate(hinted) if node in each.for_nodes]
    if all_zone and has_zone:
        return [at for at, each in enumerate(hinted) if zone in each.for_zones]
    return list(range(len(hinted)))


def test_for_every_combination_of_hints_the_choice_is_kube_proxys() -> None:
    kinds = list(itertools.product(("", "n", "m"), ("", "a", "ab")))
    for for_each in itertools.product(kinds, repeat=3):
        hinted = hints(*for_each)
        for node, zone in itertools.product(("", "n", "x"), ("", "a", "x")):
            assert chosen(hinted, node, zone) == kube_proxy(hinted, node, zone)


def test_a_recorded_service_with_hints_is_split_by_zone() -> None:
    slices, seen = Slices(), set()
    for kind, body in recorded("zones"):
        slices = read(slices, kind, body)
        known = slices.snapshot("http").endpoints
        for zone in ("zone-a", "zone-b", "elsewhere", ""):
            used = filters.hinted(known, "", zone)
            assert [known.index(each) for each in used] == kube_proxy(known, "", zone)
            if len(used) < len(known):
                assert {zone} == {hint for each in used for hint in each.for_zones}
                seen.add(zone)
    assert seen == {"zone-a", "zone-b"}


def test_a_pool_connects_only_to_those_that_the_hints_mean() -> None:
    served = Served(0, Balancing(node="n", zone="a"))
    served.update(hints(("n", "a"), ("m", "a"), ("m", "b")))
    assert [node.endpoint.host for node in served.nodes] == ["10.0.0.0"]
    served.update(hints(("n", "a"), ("", "a"), ("m", "b")))
    assert [node.endpoint.host for node in served.nodes] == ["10.0.0.0", "10.0.0.1"]


def test_a_subset_is_stable_in_order_and_of_its_size() -> None:
    known = endpoints(50)
    used = filters.subset(known, 20, "me")
    assert len(used) == 20
    assert list(used) == [each for each in known if each in used]
    assert set(used) == set(filters.subset(known[::-1], 20, "me"))
    assert list(filters.subset(known, 50, "me")) == list(filters.subset(known, 99, "me")) == known


def test_a_change_moves_at_most_one_place_of_a_subset() -> None:
    known = endpoints(41)
    for identity in map(str, range(50)):
        before = set(filters.subset(known[:40], 10, identity))
        for gone in known[:40]:
            after = set(filters.subset([each for each in known[:40] if each != gone], 10, identity))
            assert len(before - after) == (gone in before)
        grown = set(filters.subset(known, 10, identity))
        assert grown - before <= {known[40]}
        assert len(before - grown) == len(grown - before)


def test_a_thousand_clients_are_spread_evenly() -> None:
    known = endpoints(50)
    counted = collections.Counter(
        each for number in range(1_000) for each in filters.subset(known, 20, f"client-{number}/7")
    )
    # Each of 400 on the average, and by chance alone with a deviation of sqrt(1000 x 0.4 x 0.6) = 15.5.
    assert len(counted) == 50
    assert max(counted.values()) < 400 + 4 * 15.5
    assert min(counted.values()) > 400 - 4 * 15.5


def test_a_pool_connects_only_to_its_subset() -> None:
    served = Served(0, Balancing(subset=3, identity="me"))
    served.update(endpoints(10))
    assert [node.endpoint for node in served.nodes] == filters.subset(endpoints(10), 3, "me")


def zoned(zones: str) -> list[Node]:
    """One node for each letter."""
    made = [Node(Endpoint(f"10.0.0.{at}", 80, zone=zone.strip())) for at, zone in enumerate(zones)]
    for node in made:
        node.ready = True
    return made


@pytest.mark.parametrize(
    ("zones", "ours", "borrowed"),
    [
        ("aabb", 2, 0),
        ("aaab", 3, 0),
        ("abbb", 1, 1),
        ("abbbbb", 1, 2),
        ("abbcc", 1, 1),
        ("abbbccc", 1, 2),
        # Nodes of an unknown zone are borrowed like those of another.
        ("a    ", 1, 4),
        ("ab  ", 1, 1),
    ],
)
def test_a_zone_uses_its_own_and_borrows_what_it_lacks_of_its_fair_share(zones: str, ours: int, borrowed: int) -> None:
    nodes = zoned(zones)
    used = filters.near(tuple(nodes), nodes, "a", "me")
    assert len([node for node in used if node.endpoint.zone == "a"]) == ours
    assert len(used) == ours + borrowed
    assert len(set(used)) == len(used)


def test_a_zone_that_has_lost_its_own_borrows_all() -> None:
    nodes = zoned("aabbcc")
    healthy = tuple(node for node in nodes if node.endpoint.zone != "a")
    used = filters.near(healthy, nodes, "a", "me")
    assert len(used) == 2
    assert set(used) <= set(healthy)


@pytest.mark.parametrize("zone", ["", "elsewhere"])
def test_who_is_in_no_zone_of_theirs_uses_all(zone: str) -> None:
    nodes = tuple(zoned("aabb "))
    assert filters.near(nodes, nodes, zone, "me") == nodes


def test_those_who_borrow_do_not_all_turn_to_the_same() -> None:
    nodes = tuple(zoned("a" + "b" * 20))
    counted = collections.Counter(
        node for number in range(200) for node in filters.near(nodes, nodes, "a", f"{number}")[1:]
    )
    assert len(counted) == 20
    assert max(counted.values()) < 2 * sum(counted.values()) / 20


def test_a_pool_that_prefers_its_zone_sends_elsewhere_what_its_own_cannot_bear() -> None:
    served = Served(0, Balancing(prefer_zone=True, zone="a", identity="me"))
    served.update([replace(each, zone="aabb"[at]) for at, each in enumerate(endpoints(4))])
    assert {node.endpoint.zone for node in served.picks(20)} == {"a"}
    served.nodes[0].report(False, "refused")
    counted = served.picks(20)
    assert collections.Counter(node.endpoint.zone for node in counted) == {"a": 1, "b": 1}
    for node in served.nodes[:2]:
        node.report(False, "refused")
    assert {node.endpoint.zone for node in served.picks(20)} == {"b"}
    served.nodes[0].report(True)
    served.nodes[1].report(True)
    assert {node.endpoint.zone for node in served.picks(20)} == {"a"}


def test_only_the_ready_are_candidates() -> None:
    nodes = zoned("aaa")
    nodes[1].ready = False
    assert filters.ready(nodes) == (nodes[0], nodes[2])


@pytest.mark.parametrize("outliers", [Outliers(), None])
def test_the_healthy_are_neither_sick_nor_ejected_unless_they_are_too_few(outliers: Outliers | None) -> None:
    nodes = tuple(zoned("aaaaaa"))
    assert filters.healthy(nodes, outliers) == nodes
    nodes[0].sick = True
    nodes[1].health = Health(Phase.EJECTED)
    nodes[2].health = Health(Phase.PROBED)
    assert filters.healthy(nodes, outliers) == nodes[3:]
    nodes[3].sick = True
    assert filters.healthy(nodes, outliers) == nodes
    assert filters.healthy(nodes, Outliers(panic_below=0.3)) == nodes[4:]
