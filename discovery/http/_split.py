"""Transports that split requests over other transports, by weight and by header."""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack

import httpx

from discovery.split import Split


class SplitTransport(httpx.BaseTransport):
    """Sends each request by one of several transports; the sync twin of `AsyncSplitTransport`.

        v1, v2 = (Transport(f"kubernetes:///orders-{version}:http", host="orders") for version in ("v1", "v2"))
        httpx.Client(transport=SplitTransport([(90, v1), (10, v2)], header=("version", {"200": v2})))

    weighted  each transport's share of the requests, by chance
    header    a header's name, and the transport of each of its values, which goes before the weights

    They are closed with it. Raises `ValueError` for weights that come to nothing.
    """

    def __init__(
        self,
        weighted: Sequence[tuple[int, httpx.BaseTransport]],
        *,
        header: tuple[str, Mapping[str, httpx.BaseTransport]] | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._split = Split(weighted, header, random)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._split.choose(request.headers.get).handle_request(request)

    def close(self) -> None:
        with ExitStack() as stack:
            for part in self._split.parts:
                stack.callback(part.close)


class AsyncSplitTransport(httpx.AsyncBaseTransport):
    """As `SplitTransport`, of asyncio transports."""

    def __init__(
        self,
        weighted: Sequence[tuple[int, httpx.AsyncBaseTransport]],
        *,
        header: tuple[str, Mapping[str, httpx.AsyncBaseTransport]] | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._split = Split(weighted, header, random)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._split.choose(request.headers.get).handle_async_request(request)

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:
            for part in self._split.parts:
                stack.push_async_callback(part.aclose)
