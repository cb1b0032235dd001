"""How an endpoint is asked over HTTP. Loaded by those who check, as it needs httpx."""

from __future__ import annotations

import asyncio
import functools
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx

from discovery.model import Endpoint

if TYPE_CHECKING:
    from discovery.checks import HttpCheck

AT_A_TIME = 50
"""Checks of one balancer, so that however many endpoints do not answer, they hold few connections."""


class Asking:
    """Asks endpoints for what the check says, each time on a connection of its own."""

    def __init__(self, check: HttpCheck) -> None:
        self._check = check
        self._free = asyncio.Semaphore(AT_A_TIME)

    async def trouble(self, endpoint: Endpoint) -> str | None:
        """Why the endpoint does not pass, or None if it does."""
        check = self._check
        try:
            # A transport for each, as httpcore keeps what belonged to a request that was cancelled; and no client,
            # which would log each check, and ask the proxy of the environment.
            async with (
                self._free,
                asyncio.timeout(check.timeout_s),
                httpx.AsyncHTTPTransport(verify=self._tls) as sends,
            ):
                answer = await sends.handle_async_request(_request(check, endpoint))
        except TimeoutError:
            return f"it did not answer within {check.timeout_s:g} s"
        except Exception as error:  # noqa: BLE001 - whatever asking fails with, it did not pass
            return str(error) or type(error).__name__
        return None if 200 <= answer.status_code < 400 else f"it answered {answer.status_code}"

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        verify = self._check.verify or False
        return verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify)


def _request(check: HttpCheck, endpoint: Endpoint) -> httpx.Request:
    scheme = "http" if check.verify is None else "https"
    address = replace(endpoint, port=check.port or endpoint.port).address
    headers = {"user-agent": "discovery-check", "connection": "close"}
    if not check.host:
        return httpx.Request("GET", f"{scheme}://{address}{check.path}", headers=headers)
    return httpx.Request(
        "GET",
        f"{scheme}://{address}{check.path}",
        headers={**headers, "host": check.host},
        extensions={"sni_hostname": check.host},
    )
