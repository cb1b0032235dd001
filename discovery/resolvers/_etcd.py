"""etcd's JSON gateway over httpx: calls at whichever server answers, watches, leases, users.

https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from discovery.model import Target, split_address
from discovery.resolvers import ResolverError
from discovery.resolvers._bodies import lines, read
from discovery.resolvers._registrations import (
    Registrations,
    Told,
    end_of,
    read_page,
    read_told,
    text_of,
)

PAGE = 500
"""Keys in an answer, as Kubernetes' clients have it."""
MOST_KEYS = 100_000
"""Below one prefix. Each client holds them all."""
LARGEST_ANSWER = 32 * 2**20
"""Bytes, of a page or of a line of a watch."""
CONNECT_S = 3.0

T = TypeVar("T")

_ELSEWHERE = {500, 502, 503, 504}
"""What another server may do better: this one has no leader, starts, or waits for others in vain."""
_OLD_TOKEN = "revision of auth store is old"


class EtcdError(ResolverError):
    """No server answered, or one refused, or sent what is not its protocol.

    status  of HTTP; 0 where there is none
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Compacted(Exception):
    """etcd has forgotten the revision that was asked for."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where etcd is, and who we are there.

    hosts  HOST:PORT of one server or more, of the same cluster
    tls    with it, TLS is spoken: a context that trusts the servers, and has our certificate where they want one
    user   "" where etcd asks for none
    """

    hosts: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    user: str = ""
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.hosts:
            raise ValueError("there is no HOST:PORT of an etcd server")
        for host in self.hosts:
            name, _ = split_address(host)
            if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,253}", name):
                raise ValueError(f"{host!r} is not the HOST:PORT of an etcd server")
        if bool(self.user) != bool(self.password):
            raise ValueError("a user and a password are needed, or neither")

    def url(self, host: str) -> str:
        return f"{'https' if self.tls else 'http'}://{host}"


def place(target: Target) -> tuple[tuple[str, ...], str]:
    """The hosts and the prefix of `etcd://HOST:PORT[,HOST:PORT]/PREFIX`; raises `InvalidTarget`."""
    if "@" in target.authority:
        shown = replace(target, authority="...@" + target.authority.rpartition("@")[2])
        raise shown.invalid("who one is, is no part of a target: give EtcdResolver or register user= and password=")
    hosts = tuple(target.authority.split(",")) if target.authority else ()
    try:
        Access(hosts)
        return hosts, prefix_of(target.path)
    except ValueError as error:
        raise target.invalid(str(error)) from None


def prefix_of(text: str) -> str:
    """What the keys begin with: it ends in a slash, so that `orders` are not `orders-v2`. Raises ValueError."""
    prefix = text.rstrip("/") + "/"
    if prefix == "/" or len(prefix) > 1024 or not prefix.isprintable():
        raise ValueError(f"{text[:100]!r} is no prefix of keys")
    return prefix


class Etcd:
    """A client for as long as its `async with` block lasts.

    timeout_s  how long each server has for an answer

    A server that does not answer is left for the next one; with several, each client begins with a random one.
    """

    def __init__(self, access: Access, *, timeout_s: float, random: Callable[[], float] = random.random) -> None:
        self._access = access
        self._timeout_s = timeout_s
        self._at = int(random() * len(access.hosts))
        self._token = ""

    async def __aenter__(self) -> Self:
        timeout = httpx.Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s))
        self._http = httpx.AsyncClient(
            verify=self._access.tls or False,  # to make a context of its own takes longer than all else
            timeout=timeout,
            limits=httpx.Limits(keepalive_expiry=None),  # one that is kept needs no name resolved at the process's end
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def leave_host(self) -> None:
        """Begin with the next one from now on."""
        self._at = (self._at + 1) % len(self._access.hosts)

    async def call(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Ask a server, and the next ones where it does not answer; raises `EtcdError`, `Compacted`."""
        failed: dict[str, str] = {}
        for _ in self._access.hosts:
            host = self._access.hosts[self._at]
            try:
                return await self.call_here(path, body)
            except (httpx.HTTPError, TimeoutError) as error:
                failed[host] = str(error) or type(error).__name__
            except EtcdError as error:
                if error.status not in _ELSEWHERE:
                    raise
                failed[host] = str(error)
            self.leave_host()
        each = "; ".join(f"{host}: {why}" for host, why in failed.items())
        raise EtcdError(f"no etcd server answers as it should ({each})")

    async def call_here(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Ask the server that answered last; raises httpx's errors and TimeoutError too."""
        async with asyncio.timeout(self._timeout_s), self._response(path, body) as response:
            return await read(response, LARGEST_ANSWER, EtcdError)

    async def list(self, prefix: bytes) -> Registrations:
        """All keys at the newest revision, page by page. Raises `EtcdError`, `Compacted`."""
        found, key, revision = Registrations(), prefix, 0
        while True:
            request = {**_range(key, prefix), "limit": str(PAGE), "revision": str(revision)}
            page = _checked(read_page, await self.call("/v3/kv/range", request))
            revision = revision or page.revision  # that of the first page: later ones tell of a newer store
            found = found.after(revision, page.changes)
            if len(found.by_key) + page.count - len(page.changes) > MOST_KEYS:
                raise EtcdError(f"there are more than {MOST_KEYS} keys below {prefix.decode()!r}")
            if not page.more or not page.changes:
                return found
            key = page.changes[-1].key + b"\0"

    async def agrees(self, prefix: bytes, known: Registrations) -> bool:
        """Whether the server here, which asks the majority, has what is known and nothing newer."""
        newer = {"min_mod_revision": str(known.revision + 1), "limit": "1"}
        page = _checked(read_page, await self.call_here("/v3/kv/range", {**_range(prefix, prefix), **newer}))
        return known.agrees(page)

    async def watch(self, prefix: bytes, revision: int) -> AsyncGenerator[Told, None]:
        """What changes from a revision on, at the server here, until the connection ends.

        Raises `EtcdError`, `Compacted` and httpx's errors. It may be silent for ever.
        """
        request = {"create_request": {**_range(prefix, prefix), "start_revision": str(revision)}}
        async with self._response("/v3/watch", request, endless=True) as response:
            async for line in lines(response, LARGEST_ANSWER, EtcdError):
                told = _checked(read_told, line)
                if told.compacted:
                    raise Compacted
                if told.refused:
                    raise EtcdError(f"etcd has ended the watch: {told.refused}")
                yield told

    async def grant(self, ttl_s: int) -> tuple[int, int]:
        """A lease, and the seconds that it lasts, which may be more."""
        return _checked(_granted, await self.call("/v3/lease/grant", {"TTL": str(ttl_s)}))

    async def keep_alive(self, lease: int) -> int:
        """The seconds that the lease lasts from now; 0: there is no such lease any more."""
        return _checked(_kept, await self.call("/v3/lease/keepalive", {"ID": str(lease)}))

    async def revoke(self, lease: int) -> None:
        """End a lease, and remove the keys that hang on it."""
        await self.call("/v3/lease/revoke", {"ID": str(lease)})

    async def put(self, key: bytes, value: bytes, lease: int) -> None:
        """Write a key for as long as the lease lasts."""
        await self.call("/v3/kv/put", {"key": text_of(key), "value": text_of(value), "lease": str(lease)})

    @asynccontextmanager
    async def _response(
        self, path: str, body: Mapping[str, Any], *, endless: bool = False
    ) -> AsyncIterator[httpx.Response]:
        response = await self._sent(path, body, endless)
        try:
            if response.status_code != 200:
                error = await _error(response)
                stale = response.status_code == 401 or _OLD_TOKEN in str(error)
                if not self._token or not stale:
                    raise error
                # The token has expired, or rights have changed since. Once: that a new one is refused is an answer.
                await response.aclose()
                self._token = ""
                response = await self._sent(path, body, endless)
                if response.status_code != 200:
                    raise await _error(response)
            yield response
        finally:
            await response.aclose()

    async def _sent(self, path: str, body: Mapping[str, Any], endless: bool) -> httpx.Response:
        if self._access.user and not self._token:
            await self._authenticate()
        request = self._request(path, body)
        if endless:
            request.extensions["timeout"]["read"] = None
        return await self._http.send(request, stream=True)

    async def _authenticate(self) -> None:
        who = {"name": self._access.user, "password": self._access.password}
        response = await self._http.send(self._request("/v3/auth/authenticate", who), stream=True)
        try:
            if response.status_code != 200:
                raise await _error(response)
            self._token = _checked(_token, await read(response, LARGEST_ANSWER, EtcdError))
        finally:
            await response.aclose()

    def _request(self, path: str, body: Mapping[str, Any]) -> httpx.Request:
        headers = {"Content-Type": "application/json"} | ({"Authorization": self._token} if self._token else {})
        url = f"{self._access.url(self._access.hosts[self._at])}{path}"
        return self._http.build_request("POST", url, content=json.dumps(body), headers=headers)


def _range(begin: bytes, prefix: bytes) -> dict[str, str]:
    return {"key": text_of(begin), "range_end": text_of(end_of(prefix))}


def _checked(read: Callable[[bytes], T], body: bytes) -> T:
    try:
        return read(body)
    except (ValueError, KeyError, TypeError) as error:
        raise EtcdError(f"this is not what an etcd sends: {error} (is it another server's port?)") from None


def _granted(body: bytes) -> tuple[int, int]:
    answer = json.loads(body)
    return int(answer["ID"]), int(answer["TTL"])


def _kept(body: bytes) -> int:
    return int(json.loads(body)["result"].get("TTL", 0))


def _token(body: bytes) -> str:
    return str(json.loads(body)["token"])


async def _error(response: httpx.Response) -> Exception:
    body = await read(response, LARGEST_ANSWER, EtcdError)
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        message = body[:200].decode(errors="replace").strip()
    if "has been compacted" in message:
        return Compacted()
    status = response.status_code
    return EtcdError(f"{response.url.path}: {status} {message}{_advice(message)}", status=status)


def _advice(message: str) -> str:
    if "user name is empty" in message:
        return " (it wants a user and a password: give user= and password=)"
    if "permission denied" in message:
        return " (the user's role needs to read the prefix, and to write it where a provider registers)"
    return ""
