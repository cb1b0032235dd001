"""What becomes of a call that failed: decisions without I/O, the same for sync and asyncio."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import grpc

from discovery.balancer import Balancer
from discovery.grpc._service_config import MethodConfig
from discovery.model import Endpoint, Outcome
from discovery.retries import Ran, Tries

UNREACHED_S = 0.1
"""Between tries of a call that waits for ready, when all at hand were tried."""

# The statuses that Linkerd counts against an endpoint, less the one that is a sign of load.
_FAILURES = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
_OUR_OWN = ("Exception serializing request!", "Exception deserializing response!")


def outcome(code: grpc.StatusCode | None, details: str | None = None) -> Outcome:
    """What a status says about the endpoint. An application's own errors say nothing against it."""
    if code is grpc.StatusCode.CANCELLED or code is None:
        return Outcome.CANCELLED
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Outcome.BUSY
    return Outcome.FAILURE if code in _FAILURES and details not in _OUR_OWN else Outcome.SUCCESS


def ran(endpoint: Endpoint, code: grpc.StatusCode | None, details: str | None) -> Ran:
    """Whether a call that failed may have been carried out.

    It was not where grpc could not connect to this very endpoint (its text names the address), or where the server
    refused the stream (RFC 9113, 8.7).
    """
    text = details or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        unreached = text.startswith(("failed to connect to all addresses", "connections to all backends failing"))
        if unreached and endpoint.host.rstrip(".") in text and f":{endpoint.port}" in text:
            return Ran.NO
        if "RST_STREAM with error code 7" in text or text.startswith("DNS resolution failed"):
            return Ran.NO
    return Ran.MAYBE


def _is_broken(code: grpc.StatusCode | None, details: str | None) -> bool:
    """Whether a connection broke, which leaves open what became of the call; anything else is an answer."""
    if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}:
        return True
    return code is grpc.StatusCode.UNKNOWN and (details or "").startswith("Stream removed")


class Attempts:
    """The tries of one call, from its first failure on.

    failed  the endpoints that were tried, for `avoid`
    """

    __slots__ = ("_backoff_s", "_config", "_deadline", "_random", "_tries", "_waits")

    def __init__(
        self,
        balancer: Balancer,
        config: MethodConfig,
        deadline: float | None,
        *,
        waits: bool,
        random: Callable[[], float] = random.random,
    ) -> None:
        most = balancer.balancing.tries if config.retry is None else config.retry.attempts
        self._tries = Tries(balancer.retry_budget, most)
        self._config = config
        self._deadline = deadline
        self._waits = waits
        self._random = random
        self._backoff_s = config.retry.first_s if config.retry else 0.0

    @property
    def failed(self) -> list[Endpoint]:
        return self._tries.failed

    def after(self, endpoint: Endpoint, code: grpc.StatusCode | None, details: str | None) -> float | None:
        """It failed there: seconds to wait before it is tried elsewhere, or None if that is its end."""
        if code in {grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED}:
            return None
        retry, what = self._config.retry, ran(endpoint, code, details)
        listed = retry is not None and code in retry.codes
        idempotent = listed or (self._config.idempotent and _is_broken(code, details))
        if self._tries.again(endpoint, what, idempotent=idempotent):
            delay_s = self._next_backoff_s() if listed and what is Ran.MAYBE else 0.0
        elif what is Ran.NO and self._waits:
            delay_s = UNREACHED_S
        else:
            return None
        return None if self._deadline is not None and time.monotonic() + delay_s >= self._deadline else delay_s

    def _next_backoff_s(self) -> float:
        retry = self._config.retry
        assert retry is not None
        bound_s, self._backoff_s = self._backoff_s, min(self._backoff_s * retry.multiplier, retry.longest_s)
        # gRFC A6: the backoff with 20 % of jitter.
        return bound_s * (0.8 + 0.4 * self._random())


def left_s(deadline: float | None) -> float | None:
    """Of the caller's time; None is without end."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
