"""`AsyncTransport`: for `httpx.AsyncClient`, on asyncio."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable

import httpx

from discovery.balancer import Balancer
from discovery.checks import HttpCheck
from discovery.http import _rules as rules
from discovery.model import Outcome, Target
from discovery.node import Lease, Node
from discovery.policies import Policy
from discovery.resolvers import Resolver


class AsyncTransport(httpx.AsyncBaseTransport):
    """Sends each request to an endpoint of the target; arguments and errors are those of `Transport`.

        httpx.AsyncClient(transport=AsyncTransport("kubernetes:///orders.shop:http"), base_url="http://orders.shop")

    It belongs to the event loop of its first request, as the connections do.
    """

    def __init__(
        self,
        target: str | Target | None = None,
        *,
        resolver: Resolver | None = None,
        policy: str | Policy = "least_request",
        check: HttpCheck | None = None,
        host: str | None = None,
        verify: ssl.SSLContext | bool = True,
        http2: bool = False,
        limits: httpx.Limits = rules.LIMITS,
        inner: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        if inner is None:
            tls = rules.shared_tls(verify)
            inner = lambda: httpx.AsyncHTTPTransport(verify=tls(), http2=http2, limits=limits)  # noqa: E731 - it is the value of an argument
        self._connector = _Connector(inner)
        self._balancer = Balancer(target, resolver=resolver, policy=policy, check=check, connector=self._connector)
        self._host = rules.Host(self._balancer.resolver.names, host)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._host.check(request)
        self._connector.loop = asyncio.get_running_loop()
        with rules.told_to(request):
            lease = await self._balancer.pick_async(timeout_s=rules.connect_timeout_s(request))
        try:
            transport: httpx.AsyncBaseTransport = lease.node.connection
            response = await transport.handle_async_request(rules.addressed(request, lease.endpoint))
        except BaseException as error:
            lease.done(rules.outcome(error))
            raise
        response.stream = _Body(response.stream, lease)
        return response

    async def aclose(self) -> None:
        self._balancer.close()
        await self._connector.closed()


class _Connector:
    """One inner transport, and so one connection pool, per endpoint; they are closed on the loop that used them."""

    def __init__(self, inner: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._inner = inner
        self._left: collections.deque[httpx.AsyncBaseTransport] = collections.deque()
        self._closing: set[asyncio.Task[None]] = set()

    def open(self, node: Node) -> bool:
        node.connection = self._inner()
        return True

    def close(self, node: Node) -> None:
        self._left.append(node.connection)
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
    """A response body that ends its lease when it is read to the end, closed, or dropped."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, lease: Lease) -> None:
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError(f"the inner transport answered with {type(stream).__name__}, which is not an async stream")
        self._stream = stream
        self._lease = lease

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except BaseException as error:
            self._lease.done(rules.outcome(error))
            raise

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._lease.done()

    def __del__(self) -> None:
        self._lease.done(Outcome.CANCELLED)
