"""Asks DNS what the rounds want to know, over dnspython, and goes on from round to round."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from typing import Generic, TypeVar

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.rdatatype
import dns.resolver

from discovery.model import Endpoint, Snapshot
from discovery.resolvers import Resolver
from discovery.resolvers._dns_name import server as server_address
from discovery.resolvers._dns_rounds import Answer, Polling, Question, Result, Round, Srv, Told
from discovery.resolvers._shared import shared

T = TypeVar("T", bound=Hashable)

PAYLOAD_BYTES = 1232
"""What a datagram may hold without being fragmented (DNS flag day 2020); for more there is TCP."""
TRY_S, LIFETIME_S = 1.0, 5.0
"""For an answer to one datagram, and for all tries at all servers together."""
AT_ONCE = 50
"""Questions at the same time: an SRV record may have a thousand targets."""

_log = logging.getLogger("discovery")


class Polled(Resolver, Generic[T]):
    """A resolver whose set is looked up again and again. Those that look up the same on one server share the look-ups.

    name         what is asked for, with its final dot
    server       `ADDRESS[:PORT]`; "" is those of /etc/resolv.conf
    floor_s      not more often than this, however short the TTL
    hold_s       how long the last set outlives the answer that there is none
    max_stale_s  how long it is served while no server answers; None is for as long as it takes
    """

    def __init__(
        self,
        name: str,
        *,
        server: str,
        floor_s: float,
        hold_s: float,
        max_stale_s: float | None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._server = server_address(server)
        self._polling = Polling[T](floor_s=floor_s, hold_s=hold_s, random=random)
        self._key = (type(self), self._name, self._server, floor_s, hold_s)
        self.max_stale_s = max_stale_s

    @abstractmethod
    def _round(self) -> Round[T]:
        """A new one."""

    @abstractmethod
    def _endpoint(self, member: T) -> Endpoint:
        """Of a member of the set."""

    async def watch(self) -> AsyncGenerator[Snapshot, None]:
        async with contextlib.aclosing(shared(self._key, self._sets)) as sets:
            async for told in sets:
                yield Snapshot(tuple(map(self._endpoint, told.members)), note=told.note)

    async def _sets(self) -> AsyncIterator[Told[T]]:
        client = _Client(self._server)
        clock = asyncio.get_running_loop().time
        before: Told[T] | None = None
        held = False
        while True:
            result = await _looked_up(self._round(), client)
            told = self._polling.take(result, clock())
            if self._polling.holding and not held:
                _log.warning("%s: %s; the last set is kept for a while", self, result.why)
            held = self._polling.holding
            if told != before:
                yield told
            before = told
            await asyncio.sleep(self._polling.wait_s)

    def __repr__(self) -> str:
        return self._name


async def _looked_up(round_: Round[T], client: _Client) -> Result[T]:
    asking: dict[asyncio.Task[Answer], Question] = {}
    questions = round_.begin()
    try:
        while True:
            asking |= {asyncio.create_task(client.ask(each)): each for each in questions}
            done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            questions = ()
            for task in done:
                questions += round_.answered(asking.pop(task), task.result())
                if round_.result is not None:
                    return round_.result
    finally:
        for task in asking:
            task.cancel()
        if asking:
            await asyncio.wait(asking)


class _Client:
    """dnspython's resolver, as it is used here."""

    def __init__(self, server: tuple[str, int] | None) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=server is None)
        if server is not None:
            host, self._resolver.port = server
            self._resolver.nameservers = [host]
        self._resolver.use_edns(0, 0, PAYLOAD_BYTES)
        self._resolver.timeout, self._resolver.lifetime = TRY_S, LIFETIME_S
        self._backend = dns.asyncbackend.get_backend("asyncio")
        self._room = asyncio.Semaphore(AT_ONCE)
        self._servers = ", ".join(map(str, self._resolver.nameservers))

    async def ask(self, question: Question) -> Answer:
        """The answer, whatever it is."""
        name, kind = question
        try:
            async with self._room, asyncio.timeout(LIFETIME_S):
                answer = await self._resolver.resolve(
                    name, kind, raise_on_no_answer=False, search=False, backend=self._backend
                )
        except dns.resolver.NXDOMAIN as error:
            (response,) = error.kwargs["responses"].values()
            return Answer(ttl_s=_ttl_s(response), why=f"DNS has no {name}")
        except (TimeoutError, dns.resolver.LifetimeTimeout):
            return Answer(failed=True, why=f"DNS does not answer, asked for {kind} of {name} at {self._servers}")
        except dns.resolver.NoNameservers as error:
            return Answer(failed=True, why=f"DNS fails, asked for {kind} of {name} at {self._servers}: {_said(error)}")
        except dns.exception.DNSException as error:
            return Answer(failed=True, why=f"DNS fails, asked for {kind} of {name} at {self._servers}: {error}")
        records = tuple(answer.rrset or ())
        return Answer(
            addresses=() if kind == "SRV" else tuple(each.address for each in records),
            services=tuple(Srv(each.priority, each.weight, each.port, _lower(each.target)) for each in records)
            if kind == "SRV"
            else (),
            ttl_s=_ttl_s(answer.response),
            why="" if records else f"DNS has no {kind} record of {name}",
            beside=_beside(answer.response),
        )


def _ttl_s(response: dns.message.QueryMessage) -> float:
    """The least of what led to the answer; where there is none, that of the zone (RFC 2308)."""
    return float(response.resolve_chaining().minimum_ttl)


def _beside(response: dns.message.QueryMessage) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for records in response.additional:
        if records.rdtype in {dns.rdatatype.A, dns.rdatatype.AAAA}:
            name = _lower(records.name)
            found[name] = (*found.get(name, ()), *(each.address for each in records))
    return found


def _lower(name: object) -> str:
    return str(name).lower()


def _said(error: dns.resolver.NoNameservers) -> str:
    """What each server said last, without how long that took, which would make each failure another one."""
    said = {server: what for server, _, _, what, _ in error.kwargs["errors"]}
    return ", ".join(dict.fromkeys(each if isinstance(each, str) else type(each).__name__ for each in said.values()))
