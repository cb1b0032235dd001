"""How a request is addressed to one endpoint."""

from __future__ import annotations

from typing import Any

import httpx

from discovery.model import Endpoint

_FRUGAL = {
    httpx.HTTPTransport.__qualname__: httpx.HTTPTransport.__module__,
    httpx.AsyncHTTPTransport.__qualname__: httpx.AsyncHTTPTransport.__module__,
    "AiohttpTransport": "httpx_aiohttp.transport",
}
"""Those that are known to read no more of a URL than its text, or its `raw_` parts and its port; by name and module."""


class Way:
    """The inner transport of one endpoint, and requests as it is given them.

    stuck  earlier ones, replaced
    """

    __slots__ = ("_endpoint", "_is_frugal", "_origins", "stuck", "transport")

    def __init__(self, transport: Any, endpoint: Endpoint) -> None:
        self.transport = transport
        self.stuck: list[Any] = []
        self._endpoint = endpoint
        self._is_frugal = _FRUGAL.get(type(transport).__qualname__) == type(transport).__module__
        self._origins: dict[str, httpx.URL] = {}

    def request(self, asked: httpx.Request, extensions: dict[str, Any]) -> httpx.Request:
        """The same at this endpoint. The caller's own is not changed, and its `Host` is kept."""
        if self._is_frugal:
            url = self._origin(asked.url.scheme)
        else:
            url = asked.url.copy_with(host=self._endpoint.host, port=self._endpoint.port)
        sent = httpx.Request(asked.method, url, headers=asked.headers, stream=asked.stream, extensions=extensions)
        if self._is_frugal:
            sent.url = PathAt(url, asked.url.raw_path)  # by its constructor it would become the origin alone
        if isinstance(asked.stream, httpx.ByteStream):
            sent.read()  # some want the bytes
        return sent

    def _origin(self, scheme: str) -> httpx.URL:
        origin = self._origins.get(scheme)
        if origin is None:
            origin = httpx.URL(scheme=scheme, host=self._endpoint.host, port=self._endpoint.port)
            self._origins[scheme] = origin
        return origin


class PathAt(httpx.URL):
    """A path at an origin, made a whole URL only for who asks for more than frugal transports do.

    To make a URL whole costs more than all else that is done to a request. As text it is complete, for traces, say; but
    `httpx.URL(...)` of it would be the origin alone.
    """

    def __init__(self, origin: httpx.URL, raw_path: bytes) -> None:
        super().__init__(origin)
        self._origin = origin
        self._raw_path = raw_path

    @property
    def raw_path(self) -> bytes:
        return self._raw_path

    @property
    def path(self) -> str:
        return self._whole().path

    @property
    def query(self) -> bytes:
        return self._whole().query

    @property
    def params(self) -> httpx.QueryParams:
        return self._whole().params

    def copy_with(self, **parts: Any) -> httpx.URL:
        return self._whole().copy_with(**parts)

    def _whole(self) -> httpx.URL:
        return httpx.URL(str(self))

    def __str__(self) -> str:
        return f"{self._origin}{self._raw_path.decode('ascii')}"

    def __repr__(self) -> str:
        return repr(self._whole())
