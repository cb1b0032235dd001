"""Channels that split calls over other channels, by weight and by metadata."""

from __future__ import annotations

import asyncio
import random as _random
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from types import TracebackType
from typing import Any, Self

import grpc
from grpc import ChannelConnectivity, aio

from discovery.split import Split

_BY_READINESS = (
    ChannelConnectivity.READY,
    ChannelConnectivity.IDLE,
    ChannelConnectivity.CONNECTING,
    ChannelConnectivity.TRANSIENT_FAILURE,
    ChannelConnectivity.SHUTDOWN,
)


def split_channel(
    weighted: Sequence[tuple[int, grpc.Channel]],
    *,
    header: tuple[str, Mapping[str, grpc.Channel]] | None = None,
    random: Callable[[], float] = _random.random,
) -> grpc.Channel:
    """A channel that makes each call on one of several.

        v1, v2 = (insecure_channel(f"kubernetes:///orders-{version}:grpc") for version in ("v1", "v2"))
        EchoStub(split_channel([(90, v1), (10, v2)], header=("version", {"200": v2})))

    weighted  each channel's share of the calls, by chance
    header    the key of a call's metadata, and the channel of each of its values, which goes before the weights

    They are closed with it, and it is as ready as the least ready of them. Raises `ValueError` for weights that come to
    nothing.
    """
    return _Channel(Split(weighted, _lower(header), random))


def split_aio_channel(
    weighted: Sequence[tuple[int, aio.Channel]],
    *,
    header: tuple[str, Mapping[str, aio.Channel]] | None = None,
    random: Callable[[], float] = _random.random,
) -> aio.Channel:
    """As the sync one, of asyncio channels."""
    return _AioChannel(Split(weighted, _lower(header), random))


def _lower(header: tuple[str, Any] | None) -> tuple[str, Any] | None:
    # gRPC's metadata has keys in lowercase alone.
    return header and (header[0].lower(), header[1])


class _Multicallable:
    """One method of a stub: grpc's arguments are handed on as they are."""

    def __init__(self, split: Split[Any]) -> None:
        self._split = split

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._chosen(arguments, named)(*arguments, **named)

    def with_call(self, *arguments: Any, **named: Any) -> Any:
        return self._chosen(arguments, named).with_call(*arguments, **named)

    def future(self, *arguments: Any, **named: Any) -> Any:
        return self._chosen(arguments, named).future(*arguments, **named)

    def _chosen(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        metadata = arguments[2] if len(arguments) > 2 else named.get("metadata")
        return self._split.choose(dict(metadata or ()).get)


def _maker(kind: str) -> Callable[..., Any]:
    def make(self: _Splits, *declared: Any, **named: Any) -> Any:
        return _Multicallable(self.split.map(lambda channel: getattr(channel, kind)(*declared, **named)))

    make.__name__ = kind
    return make


class _Splits:
    split: Split[Any]

    unary_unary = _maker("unary_unary")
    unary_stream = _maker("unary_stream")
    stream_unary = _maker("stream_unary")
    stream_stream = _maker("stream_stream")


class _Channel(_Splits, grpc.Channel):
    def __init__(self, split: Split[grpc.Channel]) -> None:
        self.split = split
        self._subscriptions: dict[Any, list[tuple[grpc.Channel, Any]]] = {}

    def subscribe(self, callback: Callable[[ChannelConnectivity], Any], try_to_connect: bool | None = False) -> None:
        parts = self.split.parts
        lock, states = threading.Lock(), [ChannelConnectivity.IDLE] * len(parts)

        def told(number: int) -> Callable[[ChannelConnectivity], None]:
            def tell(state: ChannelConnectivity) -> None:
                with lock:
                    before, states[number] = _least(states), state
                    if number not in known or _least(states) is not before:
                        known.add(number)
                        callback(_least(states))

            return tell

        known: set[int] = set()
        self._subscriptions[callback] = [(part, told(number)) for number, part in enumerate(parts)]
        for part, tell in self._subscriptions[callback]:
            part.subscribe(tell, bool(try_to_connect))

    def unsubscribe(self, callback: Callable[[ChannelConnectivity], Any]) -> None:
        for part, tell in self._subscriptions.pop(callback, ()):
            part.unsubscribe(tell)

    def close(self) -> None:
        with ExitStack() as stack:
            for part in self.split.parts:
                stack.callback(part.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _AioChannel(_Splits, aio.Channel):
    def __init__(self, split: Split[aio.Channel]) -> None:
        self.split = split

    def get_state(self, try_to_connect: bool = False) -> ChannelConnectivity:
        return _least([part.get_state(try_to_connect) for part in self.split.parts])

    async def wait_for_state_change(self, last_observed_state: ChannelConnectivity) -> None:
        while (states := [part.get_state() for part in self.split.parts]) and _least(states) is last_observed_state:
            changes = [
                asyncio.ensure_future(part.wait_for_state_change(state))
                for part, state in zip(self.split.parts, states, strict=True)
            ]
            try:
                await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for change in changes:
                    change.cancel()
                await asyncio.wait(changes)

    async def channel_ready(self) -> None:
        await asyncio.gather(*(part.channel_ready() for part in self.split.parts))

    async def close(self, grace: float | None = None) -> None:
        async with AsyncExitStack() as stack:
            for part in self.split.parts:
                stack.push_async_callback(part.close, grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _least(states: Sequence[ChannelConnectivity]) -> ChannelConnectivity:
    return max(states, key=_BY_READINESS.index)
