"""`kubernetes:///orders.shop:http`: the pods behind a Service, watched through its EndpointSlices."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Self

from discovery.model import Snapshot, Target, port_number
from discovery.resolvers import Resolver
from discovery.resolvers import _credentials as credentials
from discovery.resolvers._list_watch import slices_of
from discovery.resolvers._moves import Moves
from discovery.resolvers._service_name import LABEL, ServiceName
from discovery.resolvers._shared import shared
from discovery.resolvers._slices import Slices

if TYPE_CHECKING:
    from kubernetes.client import Configuration


class KubernetesResolver(Resolver):
    """Lists and watches the EndpointSlices of one Service; each change is a new set.

    name    the Service; without a namespace it is the pod's own, or that of the kubeconfig's context
    port    a port's name (best), its number in the pods, or "" for the only one
    config  a `kubernetes.client.Configuration`; None means in-cluster, else `KUBECONFIG` or `~/.kube/config`
    hold_s  how long an endpoint that left its slice is kept, in case another slice takes it over

    All resolvers of one Service with the same credentials share one watch. It needs `list` and `watch` on
    `endpointslices` (API group `discovery.k8s.io`) in the Service's namespace.
    """

    def __init__(
        self, name: ServiceName, port: str = "", *, config: Configuration | None = None, hold_s: float = 0.02
    ) -> None:
        self._name = name
        self._port = port
        self._config = config
        self._hold_s = hold_s
        self.names = name.names

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
        return cls(name, port)

    async def watch(self) -> AsyncIterator[Snapshot]:
        key = (self._config, self._name.namespace, self._name.service)
        async with contextlib.aclosing(shared(key, self._slices)) as all_slices:
            async for slices in _settled(all_slices, Moves(self._hold_s)):
                yield slices.snapshot(self._port)

    async def _slices(self) -> AsyncIterator[Slices]:
        access = await credentials.in_time(functools.partial(credentials.load, self._config))
        async for slices in slices_of(access, self._name.namespace or access.namespace, self._name.service):
            yield slices

    def __repr__(self) -> str:
        return (
            f"kubernetes {self._name.service}.{self._name.namespace or '(own namespace)'}:{self._port or '(only port)'}"
        )


async def _settled(all_slices: AsyncGenerator[Slices, None], moves: Moves) -> AsyncIterator[Slices]:
    """Each change at once, and again when what it kept is let go."""
    clock = asyncio.get_running_loop().time
    coming = asyncio.ensure_future(anext(all_slices))
    try:
        while True:
            await asyncio.wait({coming}, timeout=moves.left_s(clock()))
            if coming.done():
                moves.take(coming.result(), clock())
                coming = asyncio.ensure_future(anext(all_slices))
            yield moves.slices(clock())
    finally:
        coming.cancel()
        await asyncio.wait({coming})
