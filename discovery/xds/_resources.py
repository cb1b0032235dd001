"""Services as xDS resources, for proxyless gRPC and for Envoy alike. Pure.

A resource is bytes: what it adds to a DiscoveryResponse, so that it is serialized once for all streams.

A Listener, its routes and a Cluster follow from their name alone, whatever it is: for a Listener that is left out gRPC
would wait 15 s, and at a Cluster without endpoints it fails at once. Only a ClusterLoadAssignment depends on what is
known of a Service, so that a client is never held up, or made to forget what it has, by what is not known yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import groupby
from typing import Any

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection
from envoy.config.core.v3.address_pb2 import Address, SocketAddress
from envoy.config.core.v3.base_pb2 import Locality
from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource
from envoy.config.core.v3.health_check_pb2 import DRAINING, HEALTHY
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint as XdsEndpoint
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.api_listener_pb2 import ApiListener
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import (
    HeaderMatcher,
    RetryPolicy,
    Route,
    RouteAction,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
)
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions as UpstreamOptions
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from discovery.model import Endpoint
from discovery.outliers import Outliers
from discovery.split import Split
from discovery.xds._bootstrap import listen_address

_TYPES = "type.googleapis.com/"
LISTENER, ROUTES, CLUSTER, ENDPOINTS = (
    _TYPES + kind.DESCRIPTOR.full_name for kind in (Listener, RouteConfiguration, Cluster, ClusterLoadAssignment)
)

_NO_LIMIT = Duration()
_UNBOUNDED = UInt32Value(value=2**32 - 1)
_CONNECT_S = 1
_IDLE_S = 4  # uvicorn closes idle connections after 5 s, and a request could meet a closing one


def listener(name: str, split: Split[str]) -> bytes:
    """What a gRPC client asks for that calls `xds:///NAME`."""
    return _field(Listener(name=name, api_listener=ApiListener(api_listener=_packed(_connections(name, split)))))


def socket_listener(name: str, address: str, split: Split[str]) -> bytes:
    """What a sidecar listens with: HTTP/1.1 and HTTP/2 at one address, told apart by their first bytes."""
    host, port = listen_address(address)
    manager = _connections(name, split, retries=True)
    chain = FilterChain(filters=[Filter(name="http_connection_manager", typed_config=_packed(manager))])
    return _field(Listener(name=name, address=_address(host, port), filter_chains=[chain]))


def route_configuration(name: str, split: Split[str]) -> bytes:
    """The same routes, for who asks for them by themselves."""
    return _field(_routes(name, split, retries=False))


def cluster(name: str, outliers: Outliers | None) -> bytes:
    """How the endpoints of a Service are called: by the protocol that the client speaks, each in turn."""
    ads = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)
    limits = CircuitBreakers.Thresholds(
        max_connections=_UNBOUNDED,
        max_pending_requests=_UNBOUNDED,
        max_requests=_UNBOUNDED,
        max_retries=UInt32Value(value=100),  # Envoy's 3 are used up at once where a pod dies under load
    )
    upstream = UpstreamOptions(
        common_http_protocol_options=HttpProtocolOptions(idle_timeout=_duration(_IDLE_S)),
        use_downstream_protocol_config=UpstreamOptions.UseDownstreamHttpConfig(
            http_protocol_options=Http1ProtocolOptions(), http2_protocol_options=Http2ProtocolOptions()
        ),
    )
    made = Cluster(
        name=name,
        type=Cluster.EDS,
        eds_cluster_config=Cluster.EdsClusterConfig(eds_config=ads, service_name=name),
        lb_policy=Cluster.ROUND_ROBIN,
        connect_timeout=_duration(_CONNECT_S),
        circuit_breakers=CircuitBreakers(thresholds=[limits]),
        outlier_detection=_detection(outliers) if outliers else None,
        typed_extension_protocol_options={_name_of(UpstreamOptions): _packed(upstream)},
    )
    # In a panic Envoy takes draining endpoints for usable ones.
    made.common_lb_config.healthy_panic_threshold.value = 0
    return _field(made)


def assignment(name: str, endpoints: Iterable[Endpoint], draining: Iterable[Endpoint], *, zones: bool) -> bytes:
    """The endpoints of a Service; `draining` get no new requests, and finish what they have.

    zones  whether each is a locality; else all are in one

    gRPC minds the weights of localities alone, so endpoints of different weights are in localities of their own.
    """
    states = [*((each, HEALTHY) for each in endpoints), *((each, DRAINING) for each in draining)]
    weighted = len({each.weight for each, _ in states}) > 1

    def place(state: tuple[Endpoint, Any]) -> tuple[str, str]:
        each, _ = state
        return (each.zone if zones else "", f"weight-{each.weight}" if weighted else "")

    made = ClusterLoadAssignment(cluster_name=name)
    for (zone, sub_zone), members in groupby(sorted(states, key=place), place):
        group = list(members)
        weight = sum(each.weight for each, health in group if health == HEALTHY)
        made.endpoints.append(
            LocalityLbEndpoints(
                locality=Locality(zone=zone, sub_zone=sub_zone),
                load_balancing_weight=UInt32Value(value=weight) if weight else None,
                lb_endpoints=[_endpoint(each, health) for each, health in group],
            )
        )
    return _field(made)


def _endpoint(each: Endpoint, health: Any) -> LbEndpoint:
    return LbEndpoint(
        endpoint=XdsEndpoint(address=_address(each.host, each.port)),
        health_status=health,
        load_balancing_weight=UInt32Value(value=each.weight),
    )


def _address(host: str, port: int) -> Address:
    return Address(socket_address=SocketAddress(address=host, port_value=port))


def _connections(name: str, split: Split[str], *, retries: bool = False) -> HttpConnectionManager:
    return HttpConnectionManager(
        stat_prefix=name,
        route_config=_routes(name, split, retries=retries),
        http_filters=[HttpFilter(name="router", typed_config=_packed(Router()))],
        stream_idle_timeout=_NO_LIMIT,
    )


def _routes(name: str, split: Split[str], *, retries: bool) -> RouteConfiguration:
    host = VirtualHost(name=name, domains=["*"], routes=_split(split, retries=retries))
    return RouteConfiguration(name=name, virtual_hosts=[host])


def _split(split: Split[str], *, retries: bool) -> list[Route]:
    header, by_value = split.header or ("", {})
    special = [_route({"cluster": part}, header, value, retries=retries) for value, part in by_value.items()]
    if len(split.weighted) == 1:
        return [*special, _route({"cluster": split.weighted[0][1]}, retries=retries)]
    clusters = [
        WeightedCluster.ClusterWeight(name=part, weight=UInt32Value(value=weight)) for weight, part in split.weighted
    ]
    return [*special, _route({"weighted_clusters": WeightedCluster(clusters=clusters)}, retries=retries)]


def _route(to: Mapping[str, Any], header: str = "", value: str = "", *, retries: bool) -> Route:
    match = RouteMatch(prefix="/")
    if header:
        match.headers.append(HeaderMatcher(name=header, string_match=StringMatcher(exact=value)))
    # The limits of time are the caller's, who may stream for hours. What never left may always be sent again.
    action = RouteAction(timeout=_NO_LIMIT, **to)
    if retries:
        policy = RetryPolicy(
            retry_on="connect-failure,refused-stream,reset-before-request", num_retries=UInt32Value(value=2)
        )
        policy.retry_host_predicate.add(
            name="previous_hosts",
            typed_config=Packed(
                type_url=f"{_TYPES}envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            ),
        )
        policy.host_selection_retry_max_attempts = 5
        action.retry_policy.CopyFrom(policy)
    return Route(match=match, route=action)


def _detection(outliers: Outliers) -> OutlierDetection:
    """Ours, as far as it can be said: gRPC knows the success rate alone (gRFC A50), Envoy failures in a row, too."""

    def number(value: float) -> UInt32Value:
        return UInt32Value(value=round(value))

    return OutlierDetection(
        consecutive_gateway_failure=number(outliers.consecutive),
        enforcing_consecutive_gateway_failure=number(100),
        enforcing_consecutive_5xx=number(0),  # an application's own errors would be the same elsewhere
        enforcing_success_rate=number(0),
        failure_percentage_threshold=number(100 * (1 - outliers.success_rate)),
        enforcing_failure_percentage=number(100),
        failure_percentage_minimum_hosts=number(2),
        failure_percentage_request_volume=number(outliers.volume),
        interval=_duration(outliers.window_s),
        base_ejection_time=_duration(outliers.first_s),
        max_ejection_time=_duration(outliers.longest_s),
        max_ejection_percent=number(100 * outliers.most),
        always_eject_one_host=BoolValue(value=True),
    )


def _duration(seconds: float) -> Duration:
    made = Duration()
    made.FromTimedelta(timedelta(seconds=seconds))
    return made


def _name_of(kind: type[Message]) -> str:
    return str(kind.DESCRIPTOR.full_name)


def _packed(message: Message) -> Packed:
    made = Packed()
    made.Pack(message)
    return made


def _field(message: Message) -> bytes:
    return bytes(DiscoveryResponse(resources=[_packed(message)]).SerializeToString(deterministic=True))
