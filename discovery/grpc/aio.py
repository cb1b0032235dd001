"""The asyncio channel: `discovery.grpc.aio.insecure_channel`, the shape of `grpc.aio.insecure_channel`."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from grpc import aio

from discovery.balancer import Balancer
from discovery.grpc import _aio_calls as calls
from discovery.grpc import _rules as rules
from discovery.model import Target
from discovery.policies import Policy
from discovery.resolvers import Resolver
from discovery.runtime import LoopEvent

__all__ = ["insecure_channel"]


def insecure_channel(
    target: str | Target | None = None,
    options: rules.Options | None = None,
    compression: grpc.Compression | None = None,
    interceptors: Sequence[Any] | None = None,
    *,
    resolver: Resolver | None = None,
    policy: str | Policy = "least_request",
) -> aio.Channel:
    """A channel without TLS that balances every call; arguments and errors are those of the sync one.

    interceptors  grpc's, run on the channel of the endpoint that was picked

    It belongs to the event loop of its first call, as grpc's own belong to theirs.
    """
    connector = calls.Connector(options, compression, interceptors)
    return _Channel(Balancer(target, resolver=resolver, policy=policy, connector=connector), connector)


class _Channel(rules.MakesCalls, aio.Channel):
    def __init__(self, balancer: Balancer, connector: calls.Connector) -> None:
        super().__init__(calls.KINDS, balancer, connector)
        connector.authority = next(iter(balancer.resolver.names), "")
        self._balancer = balancer
        self._connector = connector

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        if try_to_connect:
            self._connector.bind_loop()
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
