"""Whether a pod is ready: what its container says how to ask, the asking, and how many answers it takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx

from .kinds import Object

_TIMEOUT_S: Final = 1.0
_FAILURE_THRESHOLD: Final = 3  # Kubernetes' default: one slow answer does not make a pod unready


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked, at a port's name or number: a path over HTTP, or without one whether it accepts a connection."""

    port: str | int
    path: str | None

    def number(self, ports: Mapping[str, int], declared: Object) -> int:
        """The port where the container's have these numbers by name, which may not be those that it declares."""
        names = {each["containerPort"]: each.get("name", "") for each in declared.get("ports") or ()}
        if isinstance(self.port, int):
            return ports.get(names.get(self.port, ""), self.port)
        return ports.get(self.port, 0)


def readiness_probe(container: Object) -> Probe | None:
    """That of a container; None where it has none, or one of a kind that is not asked here."""
    probe = container.get("readinessProbe") or {}
    if over_http := probe.get("httpGet"):
        return Probe(over_http["port"], over_http.get("path") or "/")
    if over_tcp := probe.get("tcpSocket"):
        return Probe(over_tcp["port"], None)
    return None


class Readiness:
    """Ready, after so many answers: one good one makes it so, and three bad ones in a row end it."""

    def __init__(self, *, ready: bool) -> None:
        self._ready = ready
        self._failures = 0

    def after(self, *, answered: bool) -> bool:
        """Whether it is ready once this answer has come, too."""
        self._failures = 0 if answered else self._failures + 1
        self._ready = self._failures < _FAILURE_THRESHOLD if self._ready else answered
        return self._ready


class Prober:
    """Asks from the node's address, so that probes are not counted as clients' connections."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        transport = httpx.AsyncHTTPTransport(local_address=address, verify=False)
        self._http = httpx.AsyncClient(transport=transport, timeout=_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def answers(self, host: str, port: int, path: str | None) -> bool:
        """Whether it says over HTTP that it is well, or, without a path, accepts a connection."""
        if path is None:
            return await self._accepts(host, port)
        try:
            response = await self._http.get(f"http://{host}:{port}{path}")
        except httpx.TransportError:
            return False
        return response.is_success

    async def _accepts(self, host: str, port: int) -> bool:
        local = (self._address, 0) if self._address else None
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_TIMEOUT_S):
                _reader, writer = await asyncio.open_connection(host, port, local_addr=local)
            writer.close()
            return True
        return False
