"""What sync and asyncio channels decide in the same way about endpoints and their states."""

from __future__ import annotations

import ipaddress

import grpc

from discovery import errors
from discovery.balancer import State
from discovery.grpc._service_config import Options
from discovery.model import Endpoint
from discovery.node import Node

# A pod's address may come back within the second, as another pod: grpc's own 1 s to 120 s would leave it
# idle, and a pool shared with other channels would hand their backoff on.
_SUBCHANNEL_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_AUTHORITY, _VERIFIED = "grpc.default_authority", "grpc.ssl_target_name_override"


def subchannel_options(options: Options | None, authority: str, *, tls: bool = False) -> Options:
    """The options of one endpoint's channel: ours, which the user's override.

    authority  the Service's name, which is also the name that a certificate is verified by; "" for none
    """
    given = dict(options or ())
    authority = given.get(_AUTHORITY) or given.get(_VERIFIED) or authority
    names = {_AUTHORITY: authority, **({_VERIFIED: authority} if tls else {})} if authority else {}
    return tuple({**dict(_SUBCHANNEL_OPTIONS), **names, **given}.items())


def subchannel_target(endpoint: Endpoint) -> str:
    """The endpoint's address in grpc's own naming syntax."""
    try:
        family = ipaddress.ip_address(endpoint.host.partition("%")[0]).version
    except ValueError:
        return f"dns:///{endpoint.address}"
    return f"ipv{family}:{endpoint.address}"


def report(node: Node, state: grpc.ChannelConnectivity) -> None:
    """Tell the pool what the state of an endpoint's channel means for its node."""
    if state is grpc.ChannelConnectivity.READY:
        node.report(True)
    elif state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
        node.report(False, "connecting failed")
    else:
        # On its way, again perhaps: then what it failed with still holds.
        node.report(False, node.error)


def connectivity(state: State) -> grpc.ChannelConnectivity:
    """The state of the whole channel: READY if a call would go out at once."""
    if state.source == "closed":
        return grpc.ChannelConnectivity.SHUTDOWN
    if state.source == "idle":
        return grpc.ChannelConnectivity.IDLE
    if any(each.ready for each in state.endpoints):
        return grpc.ChannelConnectivity.READY
    resolved = state.age_s is not None
    pending = any(each.error is None for each in state.endpoints) if resolved else state.source == "pending"
    return grpc.ChannelConnectivity.CONNECTING if pending else grpc.ChannelConnectivity.TRANSIENT_FAILURE


def status(error: errors.DiscoveryError) -> grpc.StatusCode:
    """What a caller of grpc would expect: out of time while pending, exhausted where too much is under way."""
    if isinstance(error, errors.Unresolved):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    if isinstance(error, errors.Overloaded):
        return grpc.StatusCode.RESOURCE_EXHAUSTED
    return grpc.StatusCode.UNAVAILABLE
