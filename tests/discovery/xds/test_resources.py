"""Services as xDS resources."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse

from discovery import Endpoint, Outliers
from discovery.split import Split
from discovery.xds import _resources as resources

ONE, TWO, THREE = (
    Endpoint("10.0.0.1", 80, zone="a"),
    Endpoint("10.0.0.2", 80, zone="b"),
    Endpoint("fd00::3", 80, zone="a"),
)


def unpacked(field: bytes, kind: type[Any]) -> Any:
    response: Any = DiscoveryResponse.FromString(field)
    made = kind()
    assert response.resources[0].Unpack(made)
    return made


def localities(*endpoints: Endpoint, draining: tuple[Endpoint, ...] = (), zones: bool = True) -> dict[Any, Any]:
    made = unpacked(resources.assignment("orders", endpoints, draining, zones=zones), ClusterLoadAssignment)
    return {
        (each.locality.zone, each.locality.sub_zone): (
            each.load_balancing_weight.value,
            [member.endpoint.address.socket_address.address for member in each.lb_endpoints],
        )
        for each in made.endpoints
    }


def test_zones_are_localities_as_heavy_as_what_is_in_them() -> None:
    assert localities(ONE, TWO, THREE) == {
        ("a", ""): (2, ["10.0.0.1", "fd00::3"]),
        ("b", ""): (1, ["10.0.0.2"]),
    }


def test_without_zones_all_are_in_one() -> None:
    assert localities(ONE, TWO, zones=False) == {("", ""): (2, ["10.0.0.1", "10.0.0.2"])}


def test_endpoints_of_different_weights_are_in_localities_of_their_own() -> None:
    heavy = Endpoint("10.0.0.9", 80, weight=3)
    assert localities(Endpoint("10.0.0.8", 80), heavy) == {
        ("", "weight-1"): (1, ["10.0.0.8"]),
        ("", "weight-3"): (3, ["10.0.0.9"]),
    }


def test_a_locality_that_only_drains_has_no_weight() -> None:
    assert localities(ONE, draining=(TWO,)) == {("a", ""): (1, ["10.0.0.1"]), ("b", ""): (0, ["10.0.0.2"])}


def test_what_drains_is_said_to_drain() -> None:
    made = unpacked(resources.assignment("orders", [ONE], [THREE], zones=True), ClusterLoadAssignment)
    (locality,) = made.endpoints
    assert [each.health_status for each in locality.lb_endpoints] == [1, 3]


def test_a_split_is_a_route_by_header_and_one_by_weight() -> None:
    split = Split([(90, "v1"), (10, "v2")], ("version", {"200": "v2"}))
    made = unpacked(resources.route_configuration("orders", split), RouteConfiguration)
    by_header, by_weight = made.virtual_hosts[0].routes
    (matcher,) = by_header.match.headers
    assert (matcher.name, matcher.string_match.exact, by_header.route.cluster) == ("version", "200", "v2")
    weights = {each.name: each.weight.value for each in by_weight.route.weighted_clusters.clusters}
    assert weights == {"v1": 90, "v2": 10}


def test_outlier_detection_is_as_ours_is_said_to_be() -> None:
    outliers = Outliers(consecutive=7, success_rate=0.6, volume=9, most=0.25)
    told = unpacked(resources.cluster("orders", outliers), Cluster).outlier_detection
    assert told.consecutive_gateway_failure.value == 7
    assert told.failure_percentage_threshold.value == 40
    assert told.failure_percentage_request_volume.value == 9
    assert told.max_ejection_percent.value == 25
    assert not unpacked(resources.cluster("orders", None), Cluster).HasField("outlier_detection")


def test_a_sidecar_listens_where_it_says() -> None:
    made = unpacked(resources.socket_listener("orders", "[::1]:15001", Split([(1, "orders")])), Listener)
    address = made.address.socket_address
    assert (made.name, address.address, address.port_value) == ("orders", "::1", 15001)


def test_an_address_to_listen_on_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no `:port`"):
        resources.socket_listener("orders", "15001", Split([(1, "orders")]))
