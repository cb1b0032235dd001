"""`AsyncTransport`: for `httpx.AsyncClient`, on asyncio."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable

import httpx

from discovery.balancer import Balancer
from discovery.balancing import Balancing
from discovery.checks import HttpCheck
from discovery.http import _rules as rules
from discovery.http._exchange import Exchange, Exchanges
from discovery.http._way import Way
from discovery.model import Target
from discovery.node import Node
from discovery.policies import Policy
from discovery.resolvers import Resolver


class AsyncTransport(httpx.AsyncBaseTransport):
    """Sends each request to an endpoint of the target; arguments and errors are those of `Transport`.

        httpx.AsyncClient(transport=AsyncTransport("kubernetes:///orders.shop:http"), base_url="http://orders.shop")

    It belongs to the event loop of its first request, as the connections do.
    """

    def __init__(  # noqa: PLR0913 - each stands alone, and all but the first have names
        self,
        target: str | Target | None = None,
        *,
        resolver: Resolver | None = None,
        policy: str | Policy = "least_request",
        balancing: Balancing | None = None,
        check: HttpCheck | None = None,
        host: str | None = None,
        verify: ssl.SSLContext | bool = True,
        http2: bool = False,
        limits: httpx.Limits = rules.LIMITS,
        inner: Callable[[], httpx.AsyncBaseTransport] | None = None,
        outcome: rules.Judge = rules.outcome,
    ) -> None:
        most = None
        if inner is None:
            tls = rules.shared_tls(verify)
            inner = lambda: httpx.AsyncHTTPTransport(verify=tls(), http2=http2, limits=limits)  # noqa: E731 - it is the value of an argument
            most = limits.max_connections
        self._connector = _Connector(inner, most)
        self._balancer = Balancer(
            target, resolver=resolver, policy=policy, balancing=balancing, check=check, connector=self._connector
        )
        self._exchanges = Exchanges(self._balancer, host, outcome)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = self._exchanges.begin(request)
        self._connector.loop = asyncio.get_running_loop()
        if not exchange.picked():
            with exchange.waiting() as timeout_s:
                exchange.hold(await self._balancer.pick_async(exchange.wishes.key, exchange.wishes.avoid, timeout_s))
        while True:
            try:
                way: Way = exchange.lease.node.connection
                response: httpx.Response = await way.transport.handle_async_request(exchange.addressed(way))
                if exchange.accepts(response):
                    response.stream = _Body(response.stream, exchange)
                    return response
                await response.aclose()
            except BaseException as error:
                if isinstance(error, httpx.PoolTimeout) and self._connector.replaced(exchange.lease.node):
                    continue
                if not exchange.goes_on(error):
                    raise

    async def aclose(self) -> None:
        self._balancer.close()
        await self._connector.closed()


class _Connector:
    """One inner transport, and so one connection pool, per endpoint; they are closed on the loop that used them.

    most  connections of each pool, where it is known
    """

    def __init__(self, inner: Callable[[], httpx.AsyncBaseTransport], most: int | None) -> None:
        self._most = most
        self.loop: asyncio.AbstractEventLoop | None = None
        self._inner = inner
        self._left: collections.deque[httpx.AsyncBaseTransport] = collections.deque()
        self._closing: set[asyncio.Task[None]] = set()

    def open(self, node: Node) -> bool:
        node.connection = Way(self._make(), node.endpoint)
        return True

    def replaced(self, node: Node) -> bool:
        """A request waited in vain for a place in the pool: whether the places were lost, and there is a new one.

        httpcore 1.0 loses one when a request is cancelled that has been given a new connection, and has not begun to
        open it. Where fewer requests are in flight than there are places, that is the only way to be without one.
        """
        way: Way = node.connection
        if not self._most or len(node.leases) > self._most:
            return False
        way.stuck.append(way.transport)  # others may still read from it
        way.transport = self._make()
        return True

    def _make(self) -> httpx.AsyncBaseTransport:
        return rules.checked(self._inner(), httpx.AsyncBaseTransport)

    def close(self, node: Node) -> None:
        self._left += (node.connection.transport, *node.connection.stuck)
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed, and its connections with it
                self.loop.call_soon_threadsafe(self._begin_closing)

    async def closed(self) -> None:
        """Wait until all that left is closed."""
        self._begin_closing()
        await asyncio.gather(*self._closing)

    def _begin_closing(self) -> None:
        while self._left:
            task = asyncio.ensure_future(_close(self._left.popleft()))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _close(transport: httpx.AsyncBaseTransport) -> None:
    await transport.aclose()


class _Body(httpx.AsyncByteStream):
    """A response body that ends its exchange when it is read to the end, closed, or dropped."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, exchange: Exchange) -> None:
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError(f"the inner transport answered with {type(stream).__name__}, which is not an async stream")
        self._stream = stream
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except BaseException as error:
            self._exchange.broke(error)
            raise
        self._exchange.ended()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._exchange.ended()
