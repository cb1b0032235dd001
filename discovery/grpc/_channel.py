"""The sync channel."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from discovery.balancer import Balancer
from discovery.grpc import _calls as calls
from discovery.grpc import _rules as rules
from discovery.grpc._connectivity import Connectivity
from discovery.model import Target
from discovery.policies import Policy
from discovery.resolvers import Resolver


def insecure_channel(
    target: str | Target | None = None,
    options: rules.Options | None = None,
    compression: grpc.Compression | None = None,
    *,
    resolver: Resolver | None = None,
    policy: str | Policy = "least_request",
) -> grpc.Channel:
    """A channel without TLS that balances every call; the shape is that of `grpc.insecure_channel`.

    target       a string or a `Target`; alternatively
    resolver     a `Resolver` of your own
    options      grpc's, passed on to the channel of each endpoint
    compression  grpc's
    policy       a name or a `Policy`

    Nothing starts before the first call. Raises `InvalidTarget`. A call without an endpoint raises a
    `grpc.RpcError` with UNAVAILABLE, whose details name the target, the state of its source and the age of the
    last set; one whose target is not resolved within its timeout, one with DEADLINE_EXCEEDED.
    """
    connector = calls.Connector(options, compression)
    return _Channel(Balancer(target, resolver=resolver, policy=policy, connector=connector), connector)


class _Channel(rules.MakesCalls, grpc.Channel):
    def __init__(self, balancer: Balancer, connector: calls.Connector) -> None:
        super().__init__(calls.KINDS, balancer)
        connector.authority = next(iter(balancer.resolver.names), "")
        self._balancer = balancer
        self._connector = connector
        self._connectivity = Connectivity(balancer)

    def subscribe(
        self, callback: Callable[[grpc.ChannelConnectivity], Any], try_to_connect: bool | None = False
    ) -> None:
        self._connectivity.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], Any]) -> None:
        self._connectivity.unsubscribe(callback)

    def close(self) -> None:
        self._balancer.close()
        self._connector.closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
