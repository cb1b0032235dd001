"""The ways to call over HTTP: httpx and aiohttp by themselves, and httpx with our transports."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from benchmarks.overheads.ways import AGAIN, TIMEOUT_S, Addresses, Way, Ways
from discovery.http import AsyncTransport, Transport

_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=1000, keepalive_expiry=None)
"""More than there are calls in flight, and as many kept as open: httpcore would close busy ones otherwise."""
_BASE_URL = "http://echo.default"


@contextmanager
def _one(addresses: Addresses) -> Iterator[Callable[[], Any]]:
    with httpx.Client(base_url=f"http://{addresses[0]}", limits=_LIMITS, timeout=TIMEOUT_S, trust_env=False) as client:
        yield partial(client.get, "/ping")


@asynccontextmanager
async def _one_asyncio(addresses: Addresses) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    async with httpx.AsyncClient(
        base_url=f"http://{addresses[0]}", limits=_LIMITS, timeout=TIMEOUT_S, trust_env=False
    ) as client:
        yield partial(client.get, "/ping")


@asynccontextmanager
async def _one_on_aiohttp(addresses: Addresses) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    async with httpx.AsyncClient(
        transport=AiohttpTransport(verify=False, limits=_LIMITS),
        base_url=f"http://{addresses[0]}",
        timeout=TIMEOUT_S,
        trust_env=False,
    ) as client:
        yield partial(client.get, "/ping")


@contextmanager
def _all(addresses: Addresses) -> Iterator[Callable[[], Any]]:
    urls = itertools.cycle([f"http://{address}/ping" for address in addresses])
    with httpx.Client(limits=_LIMITS, timeout=TIMEOUT_S, trust_env=False) as client:
        yield lambda: client.get(next(urls))


@asynccontextmanager
async def _all_asyncio(addresses: Addresses) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    urls = itertools.cycle([f"http://{address}/ping" for address in addresses])
    async with httpx.AsyncClient(limits=_LIMITS, timeout=TIMEOUT_S, trust_env=False) as client:
        yield lambda: client.get(next(urls))


@asynccontextmanager
async def _aiohttp(addresses: Addresses) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    urls = [f"http://{address}/ping" for address in addresses]
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def call() -> bytes:
            async with session.get(random.choice(urls)) as response:
                return await response.read()

        yield call


@contextmanager
def _discovery(addresses: Addresses) -> Iterator[Callable[[], Any]]:
    transport = Transport(f"static:///{','.join(addresses)}")
    with httpx.Client(transport=transport, base_url=_BASE_URL, timeout=TIMEOUT_S, trust_env=False) as client:
        yield partial(client.get, "/ping")


def _discovery_asyncio(inner: Callable[[], httpx.AsyncBaseTransport] | None) -> Any:
    @asynccontextmanager
    async def opened(addresses: Addresses) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
        transport = AsyncTransport(f"static:///{','.join(addresses)}", inner=inner)
        async with httpx.AsyncClient(
            transport=transport, base_url=_BASE_URL, timeout=TIMEOUT_S, trust_env=False
        ) as client:
            yield partial(client.get, "/ping")

    return opened


def _pod(reply: httpx.Response | bytes) -> str:
    pod: str = json.loads(reply if isinstance(reply, bytes) else reply.content)["pod"]
    return pod


ONE, ALL, AIOHTTP = "httpx, one endpoint", "httpx, one pool", "aiohttp"
OURS, OURS_AIOHTTP = "discovery", "discovery on aiohttp"

WAYS = Ways(
    {
        ONE: Way(_one, _one_asyncio, spreads=False),
        AGAIN: Way(_one, _one_asyncio, spreads=False),
        OURS: Way(_discovery, _discovery_asyncio(None)),
        "httpx on aiohttp": Way(None, _one_on_aiohttp, spreads=False),
        OURS_AIOHTTP: Way(None, _discovery_asyncio(partial(AiohttpTransport, verify=False))),
        ALL: Way(_all, _all_asyncio),
        AIOHTTP: Way(None, _aiohttp),
    },
    _pod,
    (httpx.HTTPError, aiohttp.ClientError, TimeoutError),
)
