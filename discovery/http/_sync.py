"""`Transport`: for `httpx.Client`."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import httpx

from discovery.balancer import Balancer
from discovery.checks import HttpCheck
from discovery.http import _rules as rules
from discovery.model import Outcome, Target
from discovery.node import Lease, Node
from discovery.policies import Policy
from discovery.resolvers import Resolver


class Transport(httpx.BaseTransport):
    """Sends each request to an endpoint of the target; the sync twin of `AsyncTransport`.

        httpx.Client(transport=Transport("kubernetes:///orders.shop:http"), base_url="http://orders.shop")

    target    a string or a `Target`; alternatively
    resolver  a `Resolver` of your own
    policy    a name or a `Policy`
    check     an `HttpCheck`, where endpoints are to be asked whether they are well
    host      the host to serve, where it is not a DNS name of the target's Service
    verify    as httpx's; the verified name is that of the URL, never the endpoint's address
    http2     as httpx's
    limits    connections per endpoint
    inner     makes the transport of one endpoint, in place of `httpx.HTTPTransport` with the three above

    Raises `InvalidTarget`. Requests raise httpx's errors: `discovery.http.NoEndpoints` (an `httpx.ConnectError`)
    where there is no endpoint, `discovery.http.Unresolved` (an `httpx.ConnectTimeout`) where the target is not
    resolved within the connect timeout, `httpx.UnsupportedProtocol` for another host.
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
        inner: Callable[[], httpx.BaseTransport] | None = None,
    ) -> None:
        if inner is None:
            tls = rules.shared_tls(verify)
            inner = lambda: httpx.HTTPTransport(verify=tls(), http2=http2, limits=limits)  # noqa: E731 - it is the value of an argument
        self._balancer = Balancer(target, resolver=resolver, policy=policy, check=check, connector=_Connector(inner))
        self._host = rules.Host(self._balancer.resolver.names, host)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._host.check(request)
        with rules.told_to(request):
            lease = self._balancer.pick(timeout_s=rules.connect_timeout_s(request))
        try:
            transport: httpx.BaseTransport = lease.node.connection
            response = transport.handle_request(rules.addressed(request, lease.endpoint))
        except BaseException as error:
            lease.done(rules.outcome(error))
            raise
        response.stream = _Body(response.stream, lease)
        return response

    def close(self) -> None:
        self._balancer.close()


class _Connector:
    """One inner transport, and so one connection pool, per endpoint: closing it is how an endpoint is drained."""

    def __init__(self, inner: Callable[[], httpx.BaseTransport]) -> None:
        self._inner = inner

    def open(self, node: Node) -> bool:
        node.connection = self._inner()
        return True

    def close(self, node: Node) -> None:
        node.connection.close()


class _Body(httpx.SyncByteStream):
    """A response body that ends its lease when it is read to the end, closed, or dropped."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, lease: Lease) -> None:
        if not isinstance(stream, httpx.SyncByteStream):
            raise TypeError(f"the inner transport answered with {type(stream).__name__}, which is not a sync stream")
        self._stream = stream
        self._lease = lease

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except BaseException as error:
            self._lease.done(rules.outcome(error))
            raise

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._lease.done()

    def __del__(self) -> None:
        self._lease.done(Outcome.CANCELLED)
