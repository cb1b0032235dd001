"""What both transports decide in the same way: which host is served, what is sent where, which error is raised."""

from __future__ import annotations

import contextlib
import functools
import ssl
from collections.abc import Callable, Iterator

import httpx

from discovery import errors
from discovery.model import Endpoint, Outcome

LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=4.0)
"""Per endpoint. As many may be kept as may be open, since httpcore 1.0 counts busy ones as kept and would
close them after each request; 4 s, because uvicorn closes idle connections after 5."""


class NoEndpoints(errors.NoEndpoints, httpx.ConnectError):
    """There is no endpoint to connect to: none in the set, or the target could not be resolved."""


class Unresolved(errors.Unresolved, httpx.ConnectTimeout):
    """The target was not resolved within the request's connect timeout."""


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


def addressed(request: httpx.Request, endpoint: Endpoint) -> httpx.Request:
    """The request as it goes to the endpoint; the caller's own is not changed, and `Host` stays the Service's."""
    extensions = request.extensions
    if request.url.scheme == "https" and "sni_hostname" not in extensions:
        extensions = {**extensions, "sni_hostname": request.url.host}
    url = request.url.copy_with(host=endpoint.host, port=endpoint.port)
    return httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)


def connect_timeout_s(request: httpx.Request) -> float | None:
    """How long the request may wait for the target to be resolved."""
    timeout_s: float | None = request.extensions.get("timeout", {}).get("connect")
    return timeout_s


@contextlib.contextmanager
def told_to(request: httpx.Request) -> Iterator[None]:
    """Raise our errors as httpx's, so that code that handles httpx's handles them."""
    try:
        yield
    except errors.Unresolved as error:
        raise _with(request, Unresolved(str(error))) from error
    except errors.Closed as error:
        raise RuntimeError(f"Cannot send a request, as the transport has been closed: {error}") from error
    except errors.DiscoveryError as error:
        raise _with(request, NoEndpoints(str(error))) from error


def _with(request: httpx.Request, error: httpx.RequestError) -> httpx.RequestError:
    error.request = request
    return error


def outcome(error: BaseException | None) -> Outcome:
    """What the end of an exchange says about the endpoint."""
    if error is None:
        return Outcome.SUCCESS
    # A full pool of ours, like a cancellation, is not the endpoint's doing.
    failed = isinstance(error, Exception) and not isinstance(error, httpx.PoolTimeout)
    return Outcome.FAILURE if failed else Outcome.CANCELLED


def shared_tls(verify: ssl.SSLContext | bool) -> Callable[[], ssl.SSLContext]:
    """One context for all endpoints, made when first needed: making one costs more than many requests."""
    return functools.cache(lambda: verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify))
