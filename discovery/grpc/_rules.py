"""What sync and asyncio channels decide in the same way."""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Sequence
from typing import Any

import grpc

from discovery import errors
from discovery.balancer import State
from discovery.model import Endpoint, Outcome
from discovery.node import Node

Options = Sequence[tuple[str, Any]]

# A pod's address may come back within the second, as another pod: grpc's own 1 s to 120 s would leave it
# idle, and a pool shared with other channels would hand their backoff on.
_SUBCHANNEL_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


def subchannel_options(options: Options | None, authority: str) -> Options:
    """The options of one endpoint's channel: ours, which the user's override."""
    named = (("grpc.default_authority", authority),) if authority else ()
    return tuple(dict([*_SUBCHANNEL_OPTIONS, *named, *(options or ())]).items())


def subchannel_target(endpoint: Endpoint) -> str:
    """The endpoint's address in grpc's own naming syntax."""
    try:
        family = ipaddress.ip_address(endpoint.host.partition("%")[0]).version
    except ValueError:
        return f"dns:///{endpoint.address}"
    return f"ipv{family}:{endpoint.address}"


class Method:
    """One RPC method as a stub declared it. A channel interns it: comparing by identity costs less than by value.

    kind  the channel's method that makes it: "unary_unary", ...
    """

    __slots__ = ("_arguments", "kind")

    def __init__(self, kind: str, *arguments: Any) -> None:
        self.kind = kind
        self._arguments = arguments

    def bind(self, channel: Any) -> Any:
        """grpc's own multicallable for it on one endpoint's channel."""
        return getattr(channel, self.kind)(*self._arguments)


class Methods:
    """The methods of one channel, each once, however often stubs are made."""

    def __init__(self) -> None:
        self._methods: dict[Hashable, Method] = {}

    def get(self, kind: str, *arguments: Any) -> Method:
        return self._methods.setdefault((kind, *arguments), Method(kind, *arguments))


class SubChannel:
    """One endpoint's own channel, and the multicallables made on it."""

    __slots__ = ("_bound", "channel")

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self._bound: dict[Method, Any] = {}

    def bound(self, method: Method) -> Any:
        try:
            return self._bound[method]
        except KeyError:
            return self._bound.setdefault(method, method.bind(self.channel))


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
    """What a caller of grpc would expect: out of time while pending, otherwise unavailable."""
    is_late = isinstance(error, errors.Unresolved)
    return grpc.StatusCode.DEADLINE_EXCEEDED if is_late else grpc.StatusCode.UNAVAILABLE


def outcome(code: grpc.StatusCode | None) -> Outcome:
    """What a status says about the endpoint. An application's own errors say nothing against it."""
    if code is grpc.StatusCode.CANCELLED:
        return Outcome.CANCELLED
    return Outcome.FAILURE if code in _FAILURES else Outcome.SUCCESS


# The statuses that Linkerd counts against an endpoint.
_FAILURES = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
