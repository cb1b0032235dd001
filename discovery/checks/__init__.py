"""Active checks: each endpoint is asked whether it is well, and one that is not gets no requests."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from discovery import runtime
from discovery.model import Endpoint
from discovery.node import Node
from discovery.pool import Connector

if TYPE_CHECKING:
    from discovery.checks._http import Asking

_log = logging.getLogger("discovery")


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """Asks each endpoint for a path. It is sick after some answers in a row that do not pass, and well until then.

        Transport("kubernetes:///orders:http", check=HttpCheck("/healthz"))

    As with Kubernetes' probes a status from 200 to 399 passes, a redirect is not followed, each check has a connection
    of its own, and the first one comes after a random part of the interval.

    path             with a slash in front
    interval_s       from one check to the next (nginx's 5 s; Kubernetes' 10)
    timeout_s        from connecting to the head of the answer (Kubernetes' 1 s)
    unhealthy_after  so many in a row that do not pass make it sick (Kubernetes' 3)
    healthy_after    so many in a row that pass make it well again (Kubernetes' 1)
    port             to ask in place of the endpoint's own
    host             for the header `Host`, and the name to verify; "" is the endpoint's address
    verify           as httpx's, for HTTPS; None is plain HTTP

    Raises `ValueError` for what makes no sense.
    """

    path: str
    _: KW_ONLY
    interval_s: float = 5.0
    timeout_s: float = 1.0
    unhealthy_after: int = 3
    healthy_after: int = 1
    port: int | None = None
    host: str = ""
    verify: ssl.SSLContext | bool | None = None

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise ValueError(f"HttpCheck({self.path!r}): a path begins with a slash, as in HttpCheck('/healthz')")
        for name in ("interval_s", "timeout_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"HttpCheck({name}={getattr(self, name)}): it must be more than 0")
        for name in ("unhealthy_after", "healthy_after"):
            if getattr(self, name) < 1:
                raise ValueError(f"HttpCheck({name}={getattr(self, name)}): it must be at least 1")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ValueError(f"HttpCheck(port={self.port}): it must be from 1 to 65535")


class Checked:
    """A connector, or none, and around it the checks of each node from its `open` to its `close`.

    They run on the runtime's loop, and report to the node; none of them is a request in flight.

    random  a source of floats in [0, 1)

    Raises `ModuleNotFoundError` where there is no httpx.
    """

    def __init__(
        self, check: HttpCheck, inner: Connector | None, *, random: Callable[[], float] = random.random
    ) -> None:
        self._check = check
        self._inner = inner
        self._random = random
        self._begin()

    def _begin(self) -> None:
        self._trouble = _asking(self._check).trouble
        self._running: dict[Node, concurrent.futures.Future[None]] = {}

    def open(self, node: Node) -> bool:
        ready = self._inner is None or self._inner.open(node)
        self._running[node] = runtime.submit(self._watch(node))
        return ready

    def close(self, node: Node) -> None:
        self._running.pop(node).cancel()
        if self._inner is not None:
            self._inner.close(node)

    def end(self) -> None:
        """End all checks, from any thread, and leave the nodes as they are."""
        for running in tuple(self._running.values()):
            running.cancel()

    def forget(self) -> None:
        """Begin anew in a forked child: nothing inherited is used, closed or even released."""
        self._inherited = (self._trouble, self._running)
        self._begin()

    async def _watch(self, node: Node) -> None:
        check, against = self._check, 0
        await asyncio.sleep(self._random() * check.interval_s)
        while not node.draining:
            trouble = await self._trouble(node.endpoint)
            passed = trouble is None
            # How many in a row speak against what it is taken for.
            against = against + 1 if passed is node.sick else 0
            if against >= (check.healthy_after if passed else check.unhealthy_after):
                self._tell(node.endpoint, trouble)
                node.report_check(passed)
                against = 0
            await asyncio.sleep(check.interval_s)

    def _tell(self, endpoint: Endpoint, trouble: str | None) -> None:
        extra = {"endpoint": str(endpoint), "error": trouble}
        if trouble is None:
            _log.info("%s passes its check of %s again", endpoint, self._check.path, extra=extra)
        else:
            _log.warning("%s fails its check of %s: %s", endpoint, self._check.path, trouble, extra=extra)


def _asking(check: HttpCheck) -> Asking:
    try:
        from discovery.checks._http import Asking  # noqa: PLC0415 - `import discovery` is not to load httpx
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"HttpCheck needs the package {error.name}: pip install discovery-lb[http]"
        ) from error
    return Asking(check)
