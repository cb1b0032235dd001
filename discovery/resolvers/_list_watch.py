"""List and watch of one Service's EndpointSlices: raw JSON lines over httpx.

Not the official package's `watch.Watch`: it hangs on a silent connection, retries an expired version
with the same version, and costs many times the CPU.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from types import MappingProxyType

import httpx
import msgspec

from discovery.resolvers import ResolverError, _wire
from discovery.resolvers._bodies import lines, read
from discovery.resolvers._credentials import Access, headers_of
from discovery.resolvers._slices import Slices

PAGE = "500"
"""Objects in a page of a list, as client-go has it."""
LONGEST_LINE = 32 * 2**20
"""Bytes. etcd refuses objects over 1.5 MiB; a line longer than this comes from something else."""
LARGEST_PAGE = 256 * 2**20
"""Bytes: 500 full slices are a tenth of it."""
STREAMED_SILENCE_S = 3.0
"""How long a streamed list may pause before a plain one is asked for. A server that has them sends it in one go."""
ANY = "0"
"""Any version: the server may answer from its cache."""
_END_OF_LIST = "k8s.io/initial-events-end"

_log = logging.getLogger("discovery")


class ApiError(ResolverError):
    """The API server refused, or answered with something that is not its protocol.

    status  of HTTP, or of the Status that an ERROR event holds; 0 where there is none
    """

    def __init__(self, message: str, *, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.status = status


class _Expired(Exception):
    """The server does not have the version that we asked for: no longer (410), or not yet (etcd was restored)."""


class _NotStreamed(Exception):
    """The server does not stream lists, or not to the end."""


async def slices_of(
    access: Access, namespace: str, service: str, *, since: str = ANY, read_timeout_s: float = 75.0
) -> AsyncGenerator[Slices, None]:
    """The Service's slices: all at first, then all again after each event, for ever. Raises `ApiError`, httpx's errors.

    A watch that the server closes is continued from the last version; one whose version has expired begins
    again with a list, whose result replaces the set in one step.

    since           the version of the newest set that is known: nothing older is taken, of a server that lags behind
    read_timeout_s  how long the server may be silent before it counts as dead. Longer than the interval of its
                    bookmarks (60 s), which come on a healthy idle watch too.
    """
    timeout = httpx.Timeout(10.0, read=read_timeout_s)
    async with httpx.AsyncClient(
        base_url=access.url, verify=access.tls(), proxy=access.proxy, timeout=timeout, trust_env=False
    ) as client:
        api = _Api(client, access, namespace, service)
        version = since
        slices = listed = Slices()
        while True:
            try:
                slices, events = await api.begin(version)
                listed, before = slices, None
                while True:
                    async with contextlib.aclosing(events):
                        if before is None:
                            before = slices
                            yield slices
                        async for event in events:
                            before, slices = slices, slices.after(event)
                            if slices.by_name is not before.by_name:
                                yield slices
                    events = api.watch(slices.version)
            except _Expired:
                if not version and slices is listed:
                    raise ApiError(f"the version of the newest list has expired at once, at {access.url}") from None
                version = ""  # the newest, from etcd itself: the cache may be what is behind


class _Api:
    """The calls: a streamed list where the server has them (1.32 and newer, KEP-3157), else a list, and watches."""

    def __init__(self, client: httpx.AsyncClient, access: Access, namespace: str, service: str) -> None:
        self._client = client
        self._access = access
        self._path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        self._selector = {"labelSelector": f"kubernetes.io/service-name={service}"}
        self._who = f"endpointslices in namespace {namespace!r}"
        self._streams_lists = True

    async def begin(self, version: str) -> tuple[Slices, AsyncGenerator[_wire.Event, None]]:
        """All slices at `version` or newer ("" is the newest there is), and the events after them."""
        if self._streams_lists:
            events = self.watch(version, from_list=True)
            try:
                return await _streamed(events), events
            except _NotStreamed as error:
                _log.debug("%s has no streamed lists (%s): listed page by page", self._access.url, error)
                self._streams_lists = False
        slices = await self.list(version)
        return slices, self.watch(slices.version)

    async def list(self, version: str) -> Slices:
        """All slices at `version` or newer, page by page."""
        query = {"limit": PAGE, **({"resourceVersion": version} if version else {})}
        if version not in {"", ANY}:
            query["resourceVersionMatch"] = "NotOlderThan"  # with a limit it would be that version exactly
        items: tuple[_wire.EndpointSlice, ...] = ()
        while True:
            try:
                body = await self._page(query)
            except _Expired:
                if "continue" not in query:
                    raise
                # It took too long from page to page: everything at once.
                query, items = {}, ()
                continue
            items += body.items or ()
            if not body.metadata.more:
                return Slices.listed(_wire.EndpointSliceList(body.metadata, items))
            query = {"limit": PAGE, "continue": body.metadata.more}

    async def _page(self, query: Mapping[str, str]) -> _wire.EndpointSliceList:
        async with self._response("list", query) as response:
            return _wire.read_list(await read(response, LARGEST_PAGE, ApiError))

    async def watch(
        self,
        version: str,
        *,
        from_list: bool = False,
        random: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> AsyncGenerator[_wire.Event, None]:
        """Events after `version`, until the server closes the watch. At its own time limit, say.

        from_list  before them, all that there is at `version` or newer, and a bookmark that ends it
        """
        # A random limit (client-go's is 5 to 10 minutes) spreads the reconnections of many clients.
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(300 + int(random() * 300)),
            **({"resourceVersion": version} if version else {}),
            **({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"} if from_list else {}),
        }
        began, events = clock(), 0
        async with self._response("watch", query) as response:
            async for line in lines(response, LONGEST_LINE, ApiError):
                event = _wire.read_event(line)
                if isinstance(event, _wire.Failed):
                    raise self._error("watch", event.object.code or 500, event.object.message or "")
                events += 1
                yield event
        if not events and clock() - began < 1.0:
            raise ApiError(f"the watch of {self._who} was closed at once and without an event")

    @contextlib.asynccontextmanager
    async def _response(self, verb: str, query: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        response = await self._client.send(await self._request(query), stream=True)
        try:
            if response.status_code != 200:
                message = _message(await read(response, LARGEST_PAGE, ApiError))
                raise self._error(verb, response.status_code, message, response.headers)
            yield response
        except msgspec.DecodeError as error:
            raise ApiError(f"{self._access.url} sent what is none of {self._who}: {error}") from None
        finally:
            await response.aclose()

    async def _request(self, query: Mapping[str, str]) -> httpx.Request:
        server_name = self._access.configuration.tls_server_name
        return self._client.build_request(
            "GET",
            self._path,
            params={**self._selector, **query},
            headers=await headers_of(self._access),
            extensions={"sni_hostname": server_name} if server_name else {},
        )

    def _error(
        self, verb: str, status: int, message: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Exception:
        if status == 410 or "Too large resource version" in message:
            return _Expired()
        advice = f" (the service account needs a Role with list and watch on {self._who})" if status == 403 else ""
        text = f"cannot {verb} {self._who}: {status} {message}{advice}"
        after = headers.get("retry-after", "")
        return ApiError(text, status=status, retry_after_s=float(after) if re.fullmatch(r"[0-9]{1,4}", after) else None)


async def _streamed(events: AsyncGenerator[_wire.Event, None]) -> Slices:
    """The list that a watch begins with; its later events stay in it. Raises `_NotStreamed`."""
    slices, complete = Slices(), False
    try:
        while not complete:
            async with asyncio.timeout(STREAMED_SILENCE_S):
                event = await anext(events)
            slices = slices.after(event)
            marks = event.object.metadata.annotations or ()
            complete = isinstance(event, _wire.Bookmark) and _END_OF_LIST in marks
    except ApiError as error:
        # Refused as it is asked (422, 400), as older servers do, or no protocol at all; not for who asks or when.
        if error.status < 500 and error.status not in {401, 403, 408, 429}:
            raise _NotStreamed(str(error)) from None
        raise
    except (StopAsyncIteration, TimeoutError, ValueError) as error:
        await events.aclose()
        raise _NotStreamed(f"{type(error).__name__} {error}".strip()) from None
    return slices


def _message(body: bytes) -> str:
    """What a Kubernetes Status says, or the beginning of whatever else it is."""
    with contextlib.suppress(msgspec.DecodeError, ValueError):
        if message := _wire.read_status(body).message:
            return message
    return body[:200].decode(errors="replace")
