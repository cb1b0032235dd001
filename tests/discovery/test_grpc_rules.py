"""What sync and asyncio channels decide in the same way."""

import grpc
import pytest

from discovery import Endpoint, Outcome
from discovery.balancer import EndpointState, State
from discovery.grpc import _rules as rules
from discovery.grpc._attempts import outcome

READY = EndpointState(Endpoint("10.0.0.1", 80), ready=True, error=None, in_flight=0, failures=0)
TRYING = EndpointState(Endpoint("10.0.0.2", 80), ready=False, error=None, in_flight=0, failures=0)
FAILED = EndpointState(Endpoint("10.0.0.3", 80), ready=False, error="refused", in_flight=0, failures=0)


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("10.0.0.1", "ipv4:10.0.0.1:80"),
        ("fd00::1", "ipv6:[fd00::1]:80"),
        ("fe80::1%eth0", "ipv6:[fe80::1%eth0]:80"),
        ("orders.shop.svc.cluster.local.", "dns:///orders.shop.svc.cluster.local.:80"),
    ],
)
def test_an_endpoint_in_grpcs_own_syntax(host: str, target: str) -> None:
    assert rules.subchannel_target(Endpoint(host, 80)) == target


def test_the_users_options_override_ours() -> None:
    options = dict(rules.subchannel_options([("grpc.max_reconnect_backoff_ms", 7), ("x", "y")], "orders.shop"))
    assert options["grpc.max_reconnect_backoff_ms"] == 7
    assert options["x"] == "y"
    assert options["grpc.use_local_subchannel_pool"] == 1
    assert options["grpc.default_authority"] == "orders.shop"
    assert "grpc.default_authority" not in dict(rules.subchannel_options(None, ""))


@pytest.mark.parametrize(
    ("source", "age_s", "endpoints", "expected"),
    [
        ("idle", None, (), grpc.ChannelConnectivity.IDLE),
        ("pending", None, (), grpc.ChannelConnectivity.CONNECTING),
        ("failing", None, (), grpc.ChannelConnectivity.TRANSIENT_FAILURE),
        ("ok", 1.0, (), grpc.ChannelConnectivity.TRANSIENT_FAILURE),
        ("ok", 1.0, (TRYING, FAILED), grpc.ChannelConnectivity.CONNECTING),
        ("ok", 1.0, (FAILED,), grpc.ChannelConnectivity.TRANSIENT_FAILURE),
        ("failing", 1.0, (FAILED, READY), grpc.ChannelConnectivity.READY),
        ("closed", 1.0, (READY,), grpc.ChannelConnectivity.SHUTDOWN),
    ],
)
def test_the_state_of_the_channel(
    source: str, age_s: float | None, endpoints: tuple[EndpointState, ...], expected: grpc.ChannelConnectivity
) -> None:
    assert rules.connectivity(State(endpoints, "", age_s, source, None)) is expected


def test_only_what_speaks_against_the_endpoint_is_its_failure() -> None:
    assert outcome(grpc.StatusCode.OK) is Outcome.SUCCESS
    assert outcome(grpc.StatusCode.NOT_FOUND) is Outcome.SUCCESS
    assert outcome(grpc.StatusCode.CANCELLED) is Outcome.CANCELLED
    assert outcome(grpc.StatusCode.UNAVAILABLE) is Outcome.FAILURE
    assert outcome(grpc.StatusCode.RESOURCE_EXHAUSTED) is Outcome.BUSY
    assert outcome(grpc.StatusCode.INTERNAL) is Outcome.FAILURE
    assert outcome(grpc.StatusCode.INTERNAL, "Exception serializing request!") is Outcome.SUCCESS
