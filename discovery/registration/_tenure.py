"""One registration in etcd: a lease, a key that hangs on it, and the beats that keep it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import math
import random
import ssl
from collections.abc import Awaitable, Callable

import httpx

from discovery.model import Endpoint, Target
from discovery.resolvers._etcd import Access, Etcd, EtcdError, place
from discovery.resolvers._registrations import value_of
from discovery.runtime import Backoff

_log = logging.getLogger("discovery")

BEATS = 3
"""In the time of a lease, as etcd's own clients have it: two may be lost."""


class Tenure:
    """Holds a key in etcd while `hold` runs.

    prefix      the key begins with; the address and the lease follow, so that several processes may register the same
                address, each for itself, and one's end is not another's
    first       done when the key is written for the first time; cancelled where it never was
    registered  whether the key is there, as far as is known
    error       what fails at the moment, or None
    """

    def __init__(
        self,
        access: Access,
        prefix: str,
        endpoint: Endpoint,
        ttl_s: int,
        name: str,
        *,
        random: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.first: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.registered = False
        self.error: str | None = None
        self._access = access
        self._key = f"{prefix}{endpoint.address}/"
        self._value = value_of(endpoint)
        self._ttl_s = ttl_s
        self._name = name
        self._lease = 0
        self._failures = 0
        self._random = random
        self._sleep = sleep

    async def hold(self, *, leave_s: float) -> None:
        """Register, and stay so until cancelled; then deregister, which may take so long."""
        # A server that is silent for the time of a beat is left for the next one, before the lease is over.
        async with Etcd(self._access, timeout_s=max(1.0, self._ttl_s / BEATS)) as etcd:
            try:
                while True:
                    await self._sleep(await self._beat(etcd))
            finally:
                self.registered = False
                await self._leave(etcd, leave_s)

    async def _beat(self, etcd: Etcd) -> float:
        """Keep the lease, or get one; returns the seconds until the next beat."""
        try:
            lasts_s = await self._kept(etcd) if self.registered else 0
            if not lasts_s:
                lasts_s = await self._written(etcd)
        except (EtcdError, httpx.HTTPError, TimeoutError) as error:
            self._failed(str(error) or type(error).__name__)
            self._failures += 1
            most_s = math.ldexp(Backoff.FIRST_S, min(self._failures - 1, 10))
            return self._random() * min(most_s, Backoff.LONGEST_S, self._ttl_s / BEATS)
        self._failures = 0
        if self.error is not None:
            _log.info("%s: registering works again", self._name, extra={"error": None})
            self.error = None
        return lasts_s / BEATS

    async def _kept(self, etcd: Etcd) -> int:
        lasts_s = await etcd.keep_alive(self._lease)
        if not lasts_s:
            self.registered = False
            _log.warning("%s: the lease is lost, it registers anew", self._name)
        return lasts_s

    async def _written(self, etcd: Etcd) -> int:
        # The lease of a try whose key could not be written ends by itself.
        self._lease, lasts_s = await etcd.grant(self._ttl_s)
        await etcd.put(f"{self._key}{self._lease:x}".encode(), self._value, self._lease)
        self.registered = True
        if not self.first.done():
            self.first.set_result(None)
        return lasts_s

    async def _leave(self, etcd: Etcd, leave_s: float) -> None:
        if self._lease:
            try:
                async with asyncio.timeout(leave_s):
                    await etcd.revoke(self._lease)
            # RuntimeError: at the end of the process no name can be resolved any more.
            except (EtcdError, httpx.HTTPError, TimeoutError, RuntimeError) as error:
                if not (isinstance(error, EtcdError) and error.status == 404):
                    why = str(error) or type(error).__name__
                    _log.warning("%s: not deregistered, its lease ends by itself: %s", self._name, why)

    def _failed(self, why: str) -> None:
        if why != self.error:
            _log.warning("%s: registering failed and is tried again: %s", self._name, why, extra={"error": why})
        self.error = why


def tenure_of(
    target: Target, endpoint: Endpoint, ttl_s: int, tls: ssl.SSLContext | None, user: str, password: str, name: str
) -> Tenure:
    """From the arguments of a `Registration`, checked; raises `InvalidTarget`, ValueError."""
    hosts, prefix = place(target)
    return Tenure(Access(hosts, tls, user, password), prefix, endpoint, ttl_s, name)
