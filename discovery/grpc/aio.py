"""The asyncio channel: `discovery.grpc.aio.insecure_channel`, the shape of `grpc.aio.insecure_channel`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from grpc import aio

from discovery.balancer import Balancer
from discovery.balancing import Balancing
from discovery.grpc import _fork as fork
from discovery.grpc import _rules as rules
from discovery.grpc._aio_calls import KINDS
from discovery.grpc._aio_connector import Connector
from discovery.grpc._channel import Idempotent
from discovery.grpc._methods import MakesCalls
from discovery.grpc._service_config import Options, ServiceConfig
from discovery.grpc._split import split_aio_channel as split_channel
from discovery.model import Endpoint, Target
from discovery.policies import Policy
from discovery.resolvers import Resolver
from discovery.runtime import LoopEvent

__all__ = ["insecure_channel", "secure_channel", "split_channel"]


def insecure_channel(
    target: str | Target | None = None,
    options: Options | None = None,
    compression: grpc.Compression | None = None,
    interceptors: Sequence[Any] | None = None,
    *,
    resolver: Resolver | None = None,
    policy: str | Policy = "least_request",
    balancing: Balancing | None = None,
    idempotent: Idempotent = (),
) -> aio.Channel:
    """A channel without TLS that balances every call; arguments and errors are those of the sync one.

    interceptors  grpc's, run for each try, on the channel of the endpoint that was picked

    It belongs to the event loop of its first call, as grpc's own belong to theirs: from another loop a call raises
    RuntimeError. So does this function in a process forked from one that used asyncio channels.
    """
    config = ServiceConfig(options, idempotent)

    def make(endpoint: Endpoint, authority: str) -> aio.Channel:
        own = rules.subchannel_options(config.options, authority)
        return aio.insecure_channel(rules.subchannel_target(endpoint), own, compression, interceptors)

    return _Channel(make, config, target, resolver=resolver, policy=policy, balancing=balancing)


def secure_channel(
    target: str | Target | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    options: Options | None = None,
    compression: grpc.Compression | None = None,
    interceptors: Sequence[Any] | None = None,
    *,
    resolver: Resolver | None = None,
    policy: str | Policy = "least_request",
    balancing: Balancing | None = None,
    idempotent: Idempotent = (),
) -> aio.Channel:
    """A channel with TLS; credentials and the name that is verified are those of the sync one."""
    config = ServiceConfig(options, idempotent)
    given = credentials or grpc.ssl_channel_credentials()

    def make(endpoint: Endpoint, authority: str) -> aio.Channel:
        own = rules.subchannel_options(config.options, authority, tls=True)
        return aio.secure_channel(rules.subchannel_target(endpoint), given, own, compression, interceptors)

    return _Channel(make, config, target, resolver=resolver, policy=policy, balancing=balancing)


class _Channel(MakesCalls, aio.Channel):
    """make  a channel to an endpoint, by its address and the authority"""

    def __init__(
        self,
        make: Callable[[Endpoint, str], aio.Channel],
        config: ServiceConfig,
        target: str | Target | None,
        **options: Any,
    ) -> None:
        fork.refuse_aio()
        self._connector = Connector(lambda endpoint: make(endpoint, self._authority), config.health)
        self._balancer = Balancer(target, connector=self._connector, **options)
        self._authority = next(iter(self._balancer.resolver.names), "")
        super().__init__(KINDS, config, self._balancer, self._connector)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        if try_to_connect:
            self._connector.check_loop()
            self._balancer.start()
        return rules.connectivity(self._balancer.snapshot())

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        changed = LoopEvent()
        with self._balancer.listening(changed.set_threadsafe):
            while self.get_state() is last_observed_state:
                await changed.wait()
                changed.clear()

    async def channel_ready(self) -> None:
        while (state := self.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            if state is grpc.ChannelConnectivity.SHUTDOWN:
                raise aio.UsageError("Channel is closed.")
            await self.wait_for_state_change(state)

    async def close(self, grace: float | None = None) -> None:
        self._balancer.close()
        await self._connector.closed(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
