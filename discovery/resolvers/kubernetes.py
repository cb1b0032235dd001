"""`kubernetes:///orders.shop:http`: the pods behind a Service, watched through its EndpointSlices."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Self

from discovery.model import Snapshot, Target, port_number
from discovery.resolvers import Resolver
from discovery.resolvers._credentials import Credentials
from discovery.resolvers._list_watch import ANY, ApiError, slices_of
from discovery.resolvers._moves import Moves
from discovery.resolvers._service_name import LABEL, ServiceName
from discovery.resolvers._shared import shared
from discovery.resolvers._slices import Slices

if TYPE_CHECKING:
    from kubernetes.client import Configuration


_log = logging.getLogger("discovery")


class KubernetesResolver(Resolver):
    """Lists and watches the EndpointSlices of one Service; each change is a new set.

        Transport(resolver=KubernetesResolver("orders", "http", namespace="shop", config=configuration))

    service         the Service's name
    port            a port's name (best), its number in the pods, or "" for the only one
    namespace       "" is the pod's own, or that of the kubeconfig's context
    config          a `kubernetes.client.Configuration`; None means in-cluster, else `KUBECONFIG`, else
                    `~/.kube/config`
    hold_s          how long an endpoint that left its slice is kept, in case another slice takes it over
    read_timeout_s  how long the API server may be silent; more than the 60 s between its bookmarks
    max_stale_s     how long the last good set is served while the API server is away; None is for as long as it takes

    All resolvers of one Service with the same credentials share one watch. It needs `list` and `watch` on
    `endpointslices` (API group `discovery.k8s.io`) in the Service's namespace.
    """

    def __init__(
        self,
        service: str,
        port: str | int = "",
        *,
        namespace: str = "",
        config: Configuration | None = None,
        hold_s: float = 0.02,
        read_timeout_s: float = 75.0,
        max_stale_s: float | None = None,
    ) -> None:
        self._name = ServiceName.here(service, namespace)
        self._port = str(port)
        self._config = config
        self._credentials = Credentials(config)
        self._known = ANY
        self._warned = False
        self._hold_s = hold_s
        self._read_timeout_s = read_timeout_s
        self.names = self._name.names
        self.max_stale_s = max_stale_s

    @classmethod
    def from_target(cls, target: Target) -> Self:
        # It is imported late, as it takes most of a second; but that it is missing is to be said at once.
        if importlib.util.find_spec("kubernetes") is None:
            raise ModuleNotFoundError(name="kubernetes")
        name, port = ServiceName.parse(target)
        if port.isdigit():
            try:
                port_number(port)
            except ValueError as error:
                raise target.invalid(str(error)) from None
        elif port and not LABEL.fullmatch(port):
            raise target.invalid(f"{port!r} is not the name of a port (lowercase letters, digits and -)")
        return cls(name.service, port, namespace=name.namespace)

    async def watch(self) -> AsyncGenerator[Snapshot, None]:
        key = (self._config, self._name.namespace, self._name.service, self._read_timeout_s)
        async with (
            contextlib.aclosing(shared(key, self._slices)) as all_slices,
            contextlib.aclosing(_settled(all_slices, Moves(self._hold_s))) as settled,
        ):
            async for slices in settled:
                self._known = slices.version
                yield slices.snapshot(self._port)

    async def _slices(self) -> AsyncIterator[Slices]:
        access = await self._credentials.access()
        accepted = False
        while True:
            namespace = self._name.namespace or access.namespace
            watched = slices_of(
                access, namespace, self._name.service, since=self._known, read_timeout_s=self._read_timeout_s
            )
            try:
                async with contextlib.aclosing(watched):
                    async for slices in watched:
                        accepted = True
                        if not self._warned and (skipped := slices.of_names()):
                            self._warned = True  # once, however often the watch begins anew
                            _log.warning("%s: slices of DNS names are skipped: %s", self, ", ".join(skipped))
                        yield slices
            except ApiError as error:
                if error.status == 400:
                    self._known = ANY  # it may be what the server cannot read
                # A token that was good has expired or been rotated. Once: what is refused again is backed off from.
                if error.status != 401 or not accepted or (renewed := await self._credentials.renewed(access)) is None:
                    raise
                access, accepted = renewed, False

    def __repr__(self) -> str:
        return (
            f"kubernetes {self._name.service}.{self._name.namespace or '(own namespace)'}:{self._port or '(only port)'}"
        )


async def _settled(all_slices: AsyncGenerator[Slices, None], moves: Moves) -> AsyncGenerator[Slices, None]:
    """Each change at once, and again when what it kept is let go."""
    clock = asyncio.get_running_loop().time
    coming = asyncio.ensure_future(anext(all_slices))
    try:
        while True:
            await asyncio.wait({coming}, timeout=moves.left_s(clock()))
            if coming.done():
                while coming.exception() is not None and (left_s := moves.left_s(clock())) is not None:
                    # What left is let go all the same, since this set may be served for long.
                    await asyncio.sleep(left_s)
                    yield moves.slices(clock())
                moves.take(coming.result(), clock())
                coming = asyncio.ensure_future(anext(all_slices))
            yield moves.slices(clock())
    finally:
        coming.cancel()
        await asyncio.wait({coming})
