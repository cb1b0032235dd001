"""What stubs ask a channel for, the same on sync and asyncio channels: a multicallable for each RPC method."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from discovery.grpc._service_config import MethodConfig, ServiceConfig


class Method:
    """One RPC method as a stub declared it. A channel interns it: comparing by identity costs less than by value.

    kind    the channel's method that makes it: "unary_unary", ...
    config  what the service config says of it
    """

    __slots__ = ("_arguments", "config", "kind")

    def __init__(self, kind: str, config: MethodConfig, *arguments: Any) -> None:
        self.kind = kind
        self.config = config
        self._arguments = arguments

    def bind(self, channel: Any) -> Any:
        """grpc's own multicallable for it on one endpoint's channel."""
        return getattr(channel, self.kind)(*self._arguments)


class SubChannel(dict[Method, Any]):
    """One endpoint's own channel, and the multicallables made on it: `subchannel[method]`."""

    __slots__ = ("channel",)

    def __init__(self, channel: Any) -> None:
        super().__init__()
        self.channel = channel

    __hash__ = object.__hash__  # type: ignore[assignment] # one is itself alone, whatever was made on it
    __eq__ = object.__eq__

    def __missing__(self, method: Method) -> Any:
        return self.setdefault(method, method.bind(self.channel))


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
    """The four methods of a channel that make multicallables.

    kinds      the class of each, by the name of the method that makes it
    config     of all methods
    arguments  come first in the classes' constructors, before the `Method`
    """

    def __init__(self, kinds: Mapping[str, Callable[..., Any]], config: ServiceConfig, *arguments: Any) -> None:
        self._kinds = kinds
        self._config = config
        self._arguments = arguments
        self._methods: dict[Hashable, Method] = {}

    unary_unary = _maker("unary_unary")
    unary_stream = _maker("unary_stream")
    stream_unary = _maker("stream_unary")
    stream_stream = _maker("stream_stream")

    def _make(self, kind: str, name: str, *declared: Any) -> Any:
        # Each method once, however often stubs are made.
        key = (kind, name, *declared)
        method = self._methods.get(key) or self._methods.setdefault(
            key, Method(kind, self._config.of(name), name, *declared)
        )
        return self._kinds[kind](*self._arguments, method)
