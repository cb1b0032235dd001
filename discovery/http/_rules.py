"""What both transports decide in the same way, by plain functions: which host is served, what an end means."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable
from typing import TypeVar

import httpx

from discovery import errors
from discovery.model import Outcome
from discovery.retries import Ran

LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=4.0)
"""Per endpoint. As many may be kept as may be open, since httpcore 1.0 counts busy ones as kept and would
close them after each request; 4 s, because uvicorn closes idle connections after 5."""

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})
"""The methods that may be carried out twice (RFC 9110, 9.2.2, and the draft that defines QUERY)."""

REFUSALS = frozenset({503})
"""Answers that are asked for elsewhere: what a pod, or the proxy in it, says while it starts or stops. A 502 or a 504
comes from behind the endpoint, where another one would lead to as well."""

T = TypeVar("T")
Judge = Callable[[httpx.Response | BaseException], Outcome]


class NoEndpoints(errors.NoEndpoints, httpx.ConnectError):
    """There is no endpoint to connect to: none in the set, or the target could not be resolved."""


class Unresolved(errors.Unresolved, httpx.ConnectTimeout):
    """The target was not resolved within the request's connect timeout."""


class Overloaded(errors.Overloaded, httpx.PoolTimeout):
    """Every endpoint has as many requests in flight as it may, or too many wait already, for the pool timeout."""


class Host:
    """The one host that a transport serves, so that no credential reaches the pods of another Service.

    names  those of the target's Service; empty for a target without any, where the first host asked for is meant
    host   the user's own choice instead
    """

    def __init__(self, names: tuple[str, ...], host: str | None) -> None:
        self._served = frozenset({host.lower()} if host is not None else names)

    def check(self, request: httpx.Request) -> None:
        """Raise `httpx.UnsupportedProtocol` if the request is for another host."""
        host = request.url.host
        if host in self._served:
            return
        if not self._served:
            self._served = frozenset({host})
        elif host.rstrip(".").lower() not in self._served:
            raise httpx.UnsupportedProtocol(
                f"this transport serves {', '.join(sorted(self._served, key=len))} and not {host!r}: give it to the "
                f"client as mounts={{'http://{min(self._served, key=len)}': transport}}, or name the host with host=",
                request=request,
            )


def outcome(ended: httpx.Response | BaseException) -> Outcome:
    """What the head of a response, or the error in place of it or of its body, says about the endpoint.

    A lost or refused connection, a timeout and 502, 503 and 504 are failures; 429 is a sign of load. Every other answer
    is a success: an application's own errors, its 500 among them, would be the same elsewhere. What the caller does, or
    a full pool of ours, says nothing.
    """
    if isinstance(ended, httpx.Response):
        return _BY_STATUS.get(ended.status_code, Outcome.SUCCESS)
    failed = isinstance(ended, _FAILURES) and not isinstance(ended, httpx.PoolTimeout)
    return Outcome.FAILURE if failed else Outcome.CANCELLED


_BY_STATUS = {429: Outcome.BUSY, 502: Outcome.FAILURE, 503: Outcome.FAILURE, 504: Outcome.FAILURE}
_FAILURES = (
    httpx.NetworkError,
    httpx.TimeoutException,
    httpx.RemoteProtocolError,
    httpx.ProxyError,
    # Not all inner transports translate these: httpcore 1.0 on asyncio, an alert of TLS that comes late.
    ConnectionError,
    ssl.SSLError,
)


def ran(error: BaseException) -> Ran | None:
    """Whether the endpoint may have carried the request out; None where it is not to be tried again at all.

    Those are what is wrong with the request itself, and the limits that are over: a retry has no time left.
    """
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return Ran.MAYBE if _was_connected(error.__cause__) else Ran.NO
    return Ran.MAYBE if isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError)) else None


def _was_connected(cause: BaseException | None) -> bool:
    # httpx-aiohttp 0.2 calls every lost connection a ConnectTimeout, one on which the request was sent too.
    kinds = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(cause).__mro__]
    connecting = {"aiohttp.client_exceptions.ClientConnectorError", "aiohttp.client_exceptions.ConnectionTimeoutError"}
    return kinds[0].startswith("aiohttp.") and connecting.isdisjoint(kinds)


def told(error: errors.DiscoveryError, request: httpx.Request) -> Exception:
    """Our error as httpx's, so that code that handles httpx's handles it."""
    text = str(error)
    match error:
        case errors.Closed():
            return RuntimeError(f"Cannot send a request, as the transport has been closed: {text}")
        case errors.Unresolved():
            return _with(request, Unresolved(text))
        case errors.Overloaded():
            return _with(request, Overloaded(text))
    return _with(request, NoEndpoints(text))


def _with(request: httpx.Request, error: httpx.RequestError) -> httpx.RequestError:
    error.request = request
    return error


def checked(transport: object, kind: type[T]) -> T:
    """The transport that `inner=` made, if it is one of httpx's kind; raises TypeError."""
    if not isinstance(transport, kind):
        made, needed = _named(transport), f"httpx.{kind.__name__}"
        raise TypeError(f"inner= made a {made} where an {needed} is needed{_advice(transport)}")
    return transport


def not_a_request(request: object) -> TypeError:
    """The error for a request of something else than httpx."""
    return TypeError(f"{_named(request)} is not an httpx.Request{_advice(request)}")


def _named(thing: object) -> str:
    return f"{type(thing).__module__.partition('.')[0]}.{type(thing).__name__}"


def _advice(thing: object) -> str:
    if not type(thing).__module__.startswith("httpx2"):
        return ""
    return ": to use httpx2 throughout, call httpx2.alias_httpx() before anything imports httpx"


def shared_tls(verify: ssl.SSLContext | bool) -> Callable[[], ssl.SSLContext]:
    """One context for all endpoints, made when first needed: making one costs more than many requests."""
    return functools.cache(lambda: verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify))
