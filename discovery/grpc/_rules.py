"""What sync and asyncio channels decide in the same way."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
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


def _maker(kind: str) -> Callable[..., Any]:
    def make(
        self: MakesCalls,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: bool | None = False,
    ) -> Any:
        return self._make(kind, method, request_serializer, response_deserializer, _registered_method)

    make.__name__ = kind
    return make


class MakesCalls:
    """What stubs ask a channel for, the same on sync and asyncio channels: a multicallable for each RPC method.

    kinds      the class of each kind of multicallable, by the name of the channel's method that makes it
    arguments  come first in their constructors, before the `Method`
    """

    def __init__(self, kinds: Mapping[str, Callable[..., Any]], *arguments: Any) -> None:
        self._kinds = kinds
        self._arguments = arguments
        self._methods: dict[Hashable, Method] = {}

    unary_unary = _maker("unary_unary")
    unary_stream = _maker("unary_stream")
    stream_unary = _maker("stream_unary")
    stream_stream = _maker("stream_stream")

    def _make(self, kind: str, *declared: Any) -> Any:
        # Each method once, however often stubs are made.
        method = self._methods.setdefault((kind, *declared), Method(kind, *declared))
        return self._kinds[kind](*self._arguments, method)


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


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a multicallable was called with, handed on as it came; the timeout is the second of them, or named."""

    positional: tuple[Any, ...]
    named: Mapping[str, Any]

    @property
    def timeout_s(self) -> float | None:
        timeout_s: float | None = self.positional[1] if len(self.positional) > 1 else self.named.get("timeout")
        return timeout_s

    def within(self, timeout_s: float | None) -> Arguments:
        """The same with another timeout."""
        if len(self.positional) > 1:
            return Arguments((self.positional[0], timeout_s, *self.positional[2:]), self.named)
        return Arguments(self.positional, {**self.named, "timeout": timeout_s})


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
