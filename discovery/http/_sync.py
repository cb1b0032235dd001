"""`Transport`: for `httpx.Client`."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

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


class Transport(httpx.BaseTransport):
    """Sends each request to an endpoint of the target; the sync twin of `AsyncTransport`.

        httpx.Client(transport=Transport("kubernetes:///orders.shop:http"), base_url="http://orders.shop")

    target     a string or a `Target`; alternatively
    resolver   a `Resolver` of your own
    policy     a name or a `Policy`
    balancing  what else can be said about balancing, the number of tries among it
    check      an `HttpCheck`, where endpoints are to be asked whether they are well
    host       the host to serve, where it is not a DNS name of the target's Service
    verify     as httpx's; the verified name is that of the URL, never the endpoint's address
    http2      as httpx's
    limits     connections per endpoint; with `max_keepalive_connections=0` each request has one of its own
    inner      makes the transport of one endpoint, in place of `httpx.HTTPTransport` with the three above
    outcome    what the head of a response, or an error, says about its endpoint

    Raises `InvalidTarget`. Requests raise httpx's errors, which name target, endpoint and state of the source, and of
    ours: `discovery.http.NoEndpoints` (an `httpx.ConnectError`) where there is no endpoint, `discovery.http.Unresolved`
    (an `httpx.ConnectTimeout`) where the target is not resolved within the connect timeout,
    `discovery.http.Overloaded` (an `httpx.PoolTimeout`) where there is no room for one more, and
    `httpx.UnsupportedProtocol` for another host.

    What failed is tried again on another endpoint as far as `balancing.tries` and its retry budget go: what never left,
    always; what may have been carried out, a 503 among it, if the method is idempotent and the body no stream.
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
        inner: Callable[[], httpx.BaseTransport] | None = None,
        outcome: rules.Judge = rules.outcome,
    ) -> None:
        if inner is None:
            tls = rules.shared_tls(verify)
            inner = lambda: httpx.HTTPTransport(verify=tls(), http2=http2, limits=limits)  # noqa: E731 - it is the value of an argument
        self._balancer = Balancer(
            target, resolver=resolver, policy=policy, balancing=balancing, check=check, connector=_Connector(inner)
        )
        self._exchanges = Exchanges(self._balancer, host, outcome)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        exchange = self._exchanges.begin(request)
        if not exchange.picked():
            with exchange.waiting() as timeout_s:
                exchange.hold(self._balancer.pick(exchange.wishes.key, exchange.wishes.avoid, timeout_s))
        while True:
            try:
                way: Way = exchange.lease.node.connection
                response: httpx.Response = way.transport.handle_request(exchange.addressed(way))
                if exchange.accepts(response):
                    response.stream = _Body(response.stream, exchange)
                    return response
                response.close()
            except BaseException as error:
                if not exchange.goes_on(error):
                    raise

    def close(self) -> None:
        self._balancer.close()


class _Connector:
    """One inner transport, and so one connection pool, per endpoint: closing it is how an endpoint is drained."""

    def __init__(self, inner: Callable[[], httpx.BaseTransport]) -> None:
        self._inner = inner

    def open(self, node: Node) -> bool:
        node.connection = Way(rules.checked(self._inner(), httpx.BaseTransport), node.endpoint)
        return True

    def close(self, node: Node) -> None:
        node.connection.transport.close()


class _Body(httpx.SyncByteStream):
    """A response body that ends its exchange when it is read to the end, closed, or dropped."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, exchange: Exchange) -> None:
        if not isinstance(stream, httpx.SyncByteStream):
            raise TypeError(f"the inner transport answered with {type(stream).__name__}, which is not a sync stream")
        self._stream = stream
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except BaseException as error:
            self._exchange.broke(error)
            raise
        self._exchange.ended()

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._exchange.ended()
