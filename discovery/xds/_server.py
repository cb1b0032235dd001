"""The control plane: an ADS server on grpc.aio, a thin driver of streams and of what is known."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from grpc import aio

from discovery import registry
from discovery.outliers import Outliers
from discovery.resolvers import Resolver
from discovery.split import Split
from discovery.xds._bootstrap import listen_address
from discovery.xds._stream import ORDER, Response, Said, Stream
from discovery.xds._world import World

_log = logging.getLogger("discovery")

_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    # A client that has vanished, or is frozen, is found out within a minute and a half.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)
_GRACE_S = 1.0
"""For streams to end by themselves; one that is not read from is cut off then."""


def kubernetes(name: str) -> Resolver:
    """The resolver of what clients ask for as `xds:///SERVICE[.NAMESPACE][:PORT]`; raises InvalidTarget."""
    return registry.resolver(f"kubernetes:///{name}")


class Server:
    """Serves the endpoints of Services to proxyless gRPC clients and to Envoys, over ADS.

        async with Server("0.0.0.0:18000") as server:
            print(server.address)

    A client asks for a Service by the path of its target, as in `xds:///orders.shop:grpc`. A Service has one watch
    whatever the number of clients, and none while nobody asks for it.

    address      HOST:PORT to listen on; port 0 takes a free one, which `address` tells once it serves
    resolve      makes the resolver of a name; raises `InvalidTarget` where it is none
    routes       splits by name, over names of Services: `{"orders:http": Split([(90, "orders-v1:http"), ...])}`
    outliers     when clients are to eject an endpoint; None: never
    zones        whether each is a locality, as which Envoy tells them apart. gRPC throws dice among localities;
                 without, it sends to all endpoints in turn
    drain_s      how long an endpoint that left is told as draining
    idle_s       how long a Service that nobody asks for is watched on
    ack_s        after which it is logged that a client has not acknowledged what it was sent
    credentials  for TLS; None is none

    It may also be a sync `with` block, then with a thread and a loop of its own. It must not be started before a fork.
    Raises `InvalidTarget` for a route to what cannot be a Service, ValueError for an address that is none, and OSError
    where that cannot be listened on.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:0",
        *,
        resolve: Callable[[str], Resolver] = kubernetes,
        routes: Mapping[str, Split[str]] | None = None,
        outliers: Outliers | None = Outliers(),  # noqa: B008 - it is immutable
        zones: bool = True,
        drain_s: float = 30.0,
        idle_s: float = 60.0,
        ack_s: float = 10.0,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        listen_address(address)
        routes = dict(routes or {})
        for split in routes.values():
            for part in split.parts:
                resolve(part)
        self.address = address
        self._host = address.rpartition(":")[0]
        self._ack_s = ack_s
        self._credentials = credentials
        self._world = World(resolve, routes, outliers, zones=zones, drain_s=drain_s, idle_s=idle_s)
        self._conversations: set[_Conversation] = set()

    @property
    def watched(self) -> tuple[str, ...]:
        """The Services that are watched now."""
        return self._world.followed

    @property
    def streams(self) -> int:
        """How many clients are connected."""
        return len(self._conversations)

    async def __aenter__(self) -> Self:
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve, request_deserializer=DiscoveryRequest.FromString, response_serializer=_serialized
        )
        self._server = aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, {"StreamAggregatedResources": handler}),)
        )
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(self.address)
            else:
                port = self._server.add_secure_port(self.address, self._credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self.address}: {error}") from None
        await self._server.start()
        self.address = f"{self._host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for conversation in self._conversations:
            conversation.stop()
        await self._server.stop(_GRACE_S)
        self._world.close()

    def __enter__(self) -> Self:
        self._thread = _Thread(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.end()

    async def _serve(self, requests: AsyncIterator[Any], context: aio.ServicerContext[Any, Any]) -> None:
        conversation = _Conversation(self._world, context, self._ack_s)
        self._conversations.add(conversation)
        try:
            await conversation.run(requests)
        finally:
            self._conversations.discard(conversation)
            conversation.end()


class _Conversation:
    """One stream, driven: what the client says is taken at once, and what is due is sent as fast as it reads."""

    def __init__(self, world: World, context: aio.ServicerContext[Any, Any], ack_s: float) -> None:
        self._world = world
        self._context = context
        self._ack_s = ack_s
        self._loop = asyncio.get_running_loop()
        self._stream = Stream()
        self._followed: frozenset[str] = frozenset()
        self._wake = asyncio.Event()
        self._wakes = self._wake.set  # one object, by which the world knows it
        self._looking: asyncio.TimerHandle | None = None
        self._told: set[str] = set()
        self._stopping = False

    def __str__(self) -> str:
        return f"{self._stream.node or 'a client without a name'} at {self._context.peer()}"

    async def run(self, requests: AsyncIterator[Any]) -> None:
        reading = asyncio.create_task(self._read(requests))
        try:
            while not (reading.done() or self._stopping):
                self._wake.clear()
                # Asked for when it can be sent: a client that reads slowly gets the newest state alone.
                while (response := self._stream.due(self._world, self._loop.time())) is not None:
                    self._expect()
                    await self._context.write(response)
                await self._wake.wait()
            if reading.done():
                await reading
        finally:
            reading.cancel()

    def stop(self) -> None:
        """Have `run` return, and the client ask another server, or this one's successor."""
        self._stopping = True
        self._wake.set()

    def end(self) -> None:
        self._follow(frozenset())
        if self._looking is not None:
            self._looking.cancel()
        _log.info("xds: %s is gone", self)

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        try:
            async for request in requests:
                known = self._stream.node
                said = self._stream.heard(request)
                if not known:
                    _log.info("xds: %s is here", self)
                _tell(said, request, str(self))
                self._follow(self._stream.services)
                self._wake.set()
        finally:
            self._wake.set()

    def _follow(self, services: frozenset[str]) -> None:
        for name in services - self._followed:
            self._world.follow(name, self._wakes)
        for name in self._followed - services:
            self._world.leave(name, self._wakes)
        self._followed = services

    def _expect(self) -> None:
        if self._looking is None:
            self._looking = self._loop.call_later(self._ack_s, self._look)

    def _look(self) -> None:
        """Log, once each, the types to which the client has said nothing for too long."""
        self._looking = None
        since = {kind: at for kind in ORDER if (at := self._stream.awaited_since(kind)) is not None}
        late = {kind for kind, at in since.items() if self._loop.time() - at >= self._ack_s}
        for kind in late - self._told:
            _log.warning("xds: %s has not acknowledged %s for %g s", self, _short(kind), self._ack_s)
        self._told = late
        if since.keys() - late:
            self._expect()


class _Thread:
    """A thread with a loop on which a server runs; `end` returns when it has ended."""

    def __init__(self, server: Server) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="discovery-xds", daemon=True)
        self._server = server
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(server.__aenter__(), self._loop).result()
        except BaseException:
            self._stop()
            raise

    def end(self) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._server.__aexit__(None, None, None), self._loop).result()
        finally:
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _tell(said: Said, request: Any, node: str) -> None:
    kind, names = _short(request.type_url), ", ".join(request.resource_names) or "whatever there is"
    match said:
        case Said.NACK:
            _log.warning(
                "xds: %s refuses %s, nonce %s, and stays at version %s: %s",
                *(node, kind, request.response_nonce, request.version_info or "(none)", request.error_detail.message),
            )
        case Said.ACK:
            _log.debug("xds: %s has %s, nonce %s, version %s", node, kind, request.response_nonce, request.version_info)
        case Said.UNKNOWN:
            _log.warning("xds: %s asks for %s, which are not served here", node, request.type_url)
        case _:
            _log.debug("xds: %s asks for %s: %s (%s)", node, kind, names, said.value)


def _short(kind: str) -> str:
    return kind.rpartition(".")[2]


def _serialized(response: Response) -> bytes:
    # Fields of a message may come in any order, and its resources have been serialized once for all streams.
    head = DiscoveryResponse(version_info=response.version, nonce=response.nonce, type_url=response.kind)
    return b"".join((head.SerializeToString(), *response.resources))
