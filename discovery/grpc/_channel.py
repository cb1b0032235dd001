"""The sync channel."""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, Self

import grpc

from discovery.balancer import Balancer
from discovery.balancing import Balancing
from discovery.grpc import _fork as fork
from discovery.grpc import _rules as rules
from discovery.grpc._calls import KINDS
from discovery.grpc._connectivity import Connectivity
from discovery.grpc._connector import Connector
from discovery.grpc._methods import MakesCalls
from discovery.grpc._service_config import Options, ServiceConfig
from discovery.model import Endpoint, Target
from discovery.policies import Policy
from discovery.resolvers import Resolver

Idempotent = Collection[str] | Callable[[str], bool]


def insecure_channel(
    target: str | Target | None = None,
    options: Options | None = None,
    compression: grpc.Compression | None = None,
    *,
    resolver: Resolver | None = None,
    policy: str | Policy = "least_request",
    balancing: Balancing | None = None,
    idempotent: Idempotent = (),
) -> grpc.Channel:
    """A channel without TLS that balances every call; the shape is that of `grpc.insecure_channel`.

    target       a string or a `Target`; alternatively
    resolver     a `Resolver` of your own
    options      grpc's, passed on to the channel of each endpoint. A service config's timeouts, waitForReady and
                 retryPolicy are carried out above the endpoints: each attempt goes to another one.
    compression  grpc's
    policy       a name or a `Policy`
    balancing    health, locality, limits, retries
    idempotent   the methods that may be carried out twice, `/package.Service/Method`, or a function that says so of
                 one: they are tried elsewhere when a connection breaks. What was never sent is so for all methods.

    Nothing starts before the first call. Raises `InvalidTarget`, and ValueError for a service config that is none. A
    call without an endpoint raises a `grpc.RpcError` with UNAVAILABLE, whose details name the target, the state of
    its source and the age of the last set; one whose target is not resolved within its timeout, one with
    DEADLINE_EXCEEDED.
    """
    config = ServiceConfig(options, idempotent)

    def make(endpoint: Endpoint, authority: str) -> grpc.Channel:
        own = rules.subchannel_options(config.options, authority)
        return grpc.insecure_channel(rules.subchannel_target(endpoint), own, compression)

    return _Channel(make, config, target, resolver=resolver, policy=policy, balancing=balancing)


def secure_channel(
    target: str | Target | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    options: Options | None = None,
    compression: grpc.Compression | None = None,
    *,
    resolver: Resolver | None = None,
    policy: str | Policy = "least_request",
    balancing: Balancing | None = None,
    idempotent: Idempotent = (),
) -> grpc.Channel:
    """A channel with TLS; the rest is as with `insecure_channel`.

    credentials  grpc's, with a client certificate or call credentials if need be; None is
                 `grpc.ssl_channel_credentials()`

    Endpoints are pods, whose certificates are the Service's: authority and verified name are the fullest DNS name of
    the target's Service, or what the option `grpc.ssl_target_name_override` or `grpc.default_authority` says.
    """
    config = ServiceConfig(options, idempotent)
    given = credentials or grpc.ssl_channel_credentials()

    def make(endpoint: Endpoint, authority: str) -> grpc.Channel:
        own = rules.subchannel_options(config.options, authority, tls=True)
        return grpc.secure_channel(rules.subchannel_target(endpoint), given, own, compression)

    return _Channel(make, config, target, resolver=resolver, policy=policy, balancing=balancing)


class _Channel(MakesCalls, grpc.Channel):
    """make  a channel to an endpoint, by its address and the authority"""

    def __init__(
        self,
        make: Callable[[Endpoint, str], grpc.Channel],
        config: ServiceConfig,
        target: str | Target | None,
        **options: Any,
    ) -> None:
        fork.refuse_sync()
        self._connector = Connector(lambda endpoint: make(endpoint, self._authority), config.health)
        self._balancer = Balancer(target, connector=self._connector, **options)
        self._authority = next(iter(self._balancer.resolver.names), "")
        self._connectivity = Connectivity(self._balancer)
        super().__init__(KINDS, config, self._balancer)

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
