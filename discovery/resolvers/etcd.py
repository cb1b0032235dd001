"""`etcd://etcd-0:2379,etcd-1:2379/services/orders`: the providers that have registered themselves, watched."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Self

import httpx

from discovery.model import Snapshot, Target
from discovery.resolvers import Resolver
from discovery.resolvers._etcd import Access, Compacted, Etcd, EtcdError, place, prefix_of
from discovery.resolvers._registrations import Registrations
from discovery.resolvers._shared import shared

_log = logging.getLogger("discovery")

_AT_ONCE_S = 1.0


class EtcdResolver(Resolver):
    """Lists and watches the keys below a prefix of an etcd (3.4 or newer); each change is a new set.

        Transport(resolver=EtcdResolver(["etcd:2379"], "services/orders", tls=context, user="orders", password=secret))

    hosts        HOST:PORT of the servers of one etcd cluster; any of them will do
    prefix       what the providers' keys begin with, less the slash that follows
    tls          an SSL context, with which TLS is spoken; None is plain text
    silence_s    how long the server may tell nothing before it is asked whether that is right
    timeout_s    how long each server has for an answer
    max_stale_s  how long the last good set is served while no etcd answers; None is for as long as it takes

    All resolvers of one prefix with the same access share one watch. What a provider writes: `discovery.register`.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        prefix: str,
        *,
        tls: ssl.SSLContext | None = None,
        user: str = "",
        password: str = "",
        silence_s: float = 10.0,
        timeout_s: float = 5.0,
        max_stale_s: float | None = None,
    ) -> None:
        self._access = Access(tuple(hosts), tls, user, password)
        self._prefix = prefix_of(prefix)
        for name, time_s in [("silence_s", silence_s), ("timeout_s", timeout_s)]:
            if not time_s > 0:
                raise ValueError(f"{name}={time_s} is no time to wait")
        self._silence_s = silence_s
        self._timeout_s = timeout_s
        self._told: set[tuple[str, str]] = set()
        self.max_stale_s = max_stale_s

    @classmethod
    def from_target(cls, target: Target) -> Self:
        return cls(*place(target))

    async def watch(self) -> AsyncGenerator[Snapshot, None]:
        key = (self._access, self._prefix, self._silence_s, self._timeout_s)
        async with aclosing(shared(key, self._snapshots)) as snapshots:
            async for snapshot in snapshots:
                yield snapshot

    async def _snapshots(self) -> AsyncIterator[Snapshot]:
        async with (
            Etcd(self._access, timeout_s=self._timeout_s) as etcd,
            aclosing(_all(etcd, self._prefix.encode(), self._silence_s)) as registrations,
        ):
            async for each in registrations:
                self._warn(each)
                yield each.snapshot(self._prefix)

    def _warn(self, registrations: Registrations) -> None:
        """Of each broken value, once."""
        broken = set(registrations.broken().items())
        for key, why in sorted(broken - self._told):
            _log.warning("%r: the registration %s is skipped: %s", self, key, why)
        self._told = broken

    def __repr__(self) -> str:
        return f"etcd {','.join(self._access.hosts)}/{self._prefix}"


async def _all(etcd: Etcd, prefix: bytes, silence_s: float) -> AsyncGenerator[Registrations, None]:
    """The registrations, and again after each change. Raises `EtcdError`.

    A watch that is lost, or whose revision is compacted, is followed by a new list, not continued: an etcd that has
    lost its data counts its revisions from 1 again, and would wait in silence for ours.
    """
    clock = asyncio.get_running_loop().time
    in_vain = 0
    while True:
        began, why = clock(), "ended by the server"
        try:
            registrations = await etcd.list(prefix)
            yield registrations
            async with aclosing(_after(etcd, prefix, registrations, silence_s)) as following:
                async for registrations in following:
                    in_vain = 0
                    yield registrations
        except Compacted:
            why = "compacted"
        except (httpx.HTTPError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            etcd.leave_host()
        in_vain = in_vain + 1 if clock() - began < _AT_ONCE_S else 0
        if in_vain > 1:
            raise EtcdError(f"the watch was lost at once, twice ({why})")


async def _after(
    etcd: Etcd, prefix: bytes, known: Registrations, silence_s: float
) -> AsyncGenerator[Registrations, None]:
    """What the watch makes of these, until it ends. Raises httpx's errors and TimeoutError too.

    A silent watch is no sign of anything: its server may be dead, or cut off from the others. So it is asked, and has
    to ask the others, whether what it has told is all.
    """
    watch = etcd.watch(prefix, known.revision + 1)
    coming = asyncio.ensure_future(anext(watch, None))
    try:
        while True:
            await asyncio.wait({coming}, timeout=silence_s)
            if not coming.done():
                if not await etcd.agrees(prefix, known) and not coming.done():
                    return  # something has changed, and the watch does not say so
            elif (told := coming.result()) is None:
                return
            else:
                coming = asyncio.ensure_future(anext(watch, None))
                if told.changes:
                    known = known.after(told.revision, told.changes)
                    yield known
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await watch.aclose()
