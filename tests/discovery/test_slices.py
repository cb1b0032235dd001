"""EndpointSlices to snapshots: recorded courses of events, and the cases that they do not have."""

from typing import Any

import pytest

from discovery.resolvers._slices import Slices
from tests.discovery.recordings import Objects, after, expected, read, recorded


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("lifecycle", "http"),
        ("lifecycle", "grpc"),
        ("rollout", "http"),
        ("zones", "http"),
        ("not-ready-published", "http"),
    ],
)
def test_after_each_recorded_event_the_set_is_what_the_slices_say(name: str, port: str) -> None:
    slices, sizes = Slices(), set[int]()
    objects: Objects = {}
    for kind, body in recorded(name):
        slices = read(slices, kind, body)
        objects = after(objects, kind, body)
        snapshot = slices.snapshot(port)
        assert {(each.host, each.port) for each in snapshot.endpoints} == expected(objects, port)
        assert snapshot.version == slices.version
        sizes.add(len(snapshot.endpoints))
    assert len(sizes) > 1


def test_what_is_known_of_a_pod_is_kept() -> None:
    slices, found = Slices(), set()
    for kind, body in recorded("zones"):
        slices = read(slices, kind, body)
        found |= {(each.name, each.zone, each.node) for each in slices.snapshot("http").endpoints}
    assert found >= {("echo-0", "zone-a", "node-a"), ("echo-1", "zone-b", "node-b"), ("echo-9", "", "node-c")}


def test_topology_hints_are_kept() -> None:
    slices, found = Slices(), set()
    for kind, body in recorded("zones"):
        slices = read(slices, kind, body)
        found |= {(each.name, each.for_zones, each.for_nodes) for each in slices.snapshot("http").endpoints}
    assert ("echo-0", ("zone-a",), ()) in found
    assert ("echo-9", (), ()) in found


def test_where_none_is_ready_those_count_that_terminate_and_serve() -> None:
    gone, leaving = endpoint("10.0.0.1", ready=False), endpoint("10.0.0.2", ready=False, serving=True, terminating=True)
    assert addresses(listed({"ports": [HTTP], "endpoints": [gone, leaving]})) == ["10.0.0.2:8081"]
    ready = endpoint("10.0.0.3", ready=True)
    assert addresses(listed({"ports": [HTTP], "endpoints": [gone, leaving, ready]})) == ["10.0.0.3:8081"]


def endpoint(address: str, **conditions: bool | None) -> dict[str, Any]:
    return {"addresses": [address], "conditions": conditions}


def listed(*items: dict[str, Any]) -> Slices:
    return read(
        Slices(),
        "list",
        {
            "metadata": {"resourceVersion": "7"},
            "items": [
                {"metadata": {"name": f"s{number}"}, "addressType": "IPv4", **item} for number, item in enumerate(items)
            ],
        },
    )


HTTP = {"name": "http", "port": 8081, "protocol": "TCP"}
GRPC = {"name": "grpc", "port": 8082}


def addresses(slices: Slices, port: str = "") -> list[str]:
    return [each.address for each in slices.snapshot(port).endpoints]


def test_all_slices_are_joined_and_an_address_in_two_counts_once() -> None:
    slices = listed(
        {"ports": [HTTP], "endpoints": [endpoint("10.0.0.3"), endpoint("10.0.0.1")]},
        {"ports": [HTTP], "endpoints": [endpoint("10.0.0.2"), endpoint("10.0.0.1")]},
    )
    assert addresses(slices) == ["10.0.0.1:8081", "10.0.0.2:8081", "10.0.0.3:8081"]


def test_a_condition_that_is_missing_or_null_counts_as_ready() -> None:
    endpoints = [
        {"addresses": ["10.0.0.1"]},
        {"addresses": ["10.0.0.2"], "conditions": None},
        endpoint("10.0.0.3", ready=None),
        endpoint("10.0.0.4", ready=False),
        endpoint("10.0.0.5", ready=True),
    ]
    assert [address[:8] for address in addresses(listed({"ports": [HTTP], "endpoints": endpoints}))] == [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
        "10.0.0.5",
    ]


@pytest.mark.parametrize(
    ("conditions", "counts"),
    [
        ({"serving": True, "terminating": True}, True),
        ({"serving": None, "terminating": True}, True),
        ({"terminating": True}, True),
        ({"serving": False, "terminating": True}, False),
        ({"serving": True, "terminating": False}, False),
        ({"serving": True, "terminating": None}, False),
        ({"serving": True}, False),
    ],
)
def test_what_is_missing_or_null_counts_as_serving_and_as_not_terminating(
    conditions: dict[str, bool | None], counts: bool
) -> None:
    slices = listed({"ports": [HTTP], "endpoints": [endpoint("10.0.0.1", ready=False, **conditions)]})
    assert addresses(slices) == (["10.0.0.1:8081"] if counts else [])


def test_a_port_is_chosen_slice_by_slice() -> None:
    slices = listed(
        {"ports": [HTTP, GRPC], "endpoints": [endpoint("10.0.0.1")]},
        {"ports": [{"name": "http", "port": 9000}], "endpoints": [endpoint("10.0.0.2")]},
        {"ports": [], "endpoints": [endpoint("10.0.0.3")]},
    )
    assert addresses(slices, "http") == ["10.0.0.1:8081", "10.0.0.2:9000"]
    assert addresses(slices, "8082") == ["10.0.0.1:8082"]
    assert addresses(slices) == ["10.0.0.2:9000"]


def test_udp_ports_are_not_for_us() -> None:
    slices = listed({"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}], "endpoints": [endpoint("10.0.0.1")]})
    assert addresses(slices, "dns") == []


def test_of_two_families_one_is_used() -> None:
    ipv6 = {"addressType": "IPv6", "ports": [HTTP], "endpoints": [endpoint("fd00::1")]}
    assert addresses(listed({"ports": [HTTP], "endpoints": [endpoint("10.0.0.1")]}, ipv6)) == ["10.0.0.1:8081"]
    assert addresses(listed({"ports": None, "endpoints": None}, ipv6)) == ["[fd00::1]:8081"]
    assert addresses(listed({"addressType": "FQDN", "ports": [HTTP], "endpoints": [endpoint("example.org")]})) == []


@pytest.mark.parametrize(
    ("items", "port", "note"),
    [
        ([], "http", "no EndpointSlice: there is no such Service"),
        ([{"ports": None, "endpoints": None}], "http", "none of its pods is ready"),
        ([{"ports": [HTTP], "endpoints": [endpoint("10.0.0.1", ready=False)]}], "", "none of its pods is ready"),
        (
            [{"ports": [HTTP, GRPC], "endpoints": []}],
            "",
            "several ports, so the target must name one of grpc (8082), http",
        ),
        (
            [{"ports": [HTTP, GRPC], "endpoints": []}],
            "web",
            "port of the name 'web'; there are grpc (8082), http (8081)",
        ),
        (
            [{"ports": [HTTP], "endpoints": []}],
            "80",
            "number (the pods', not the Service's) '80'; there are http (8081)",
        ),
    ],
)
def test_an_empty_set_says_why(items: list[dict[str, Any]], port: str, note: str) -> None:
    snapshot = listed(*items).snapshot(port)
    assert snapshot.endpoints == ()
    assert note in snapshot.note
