"""Our client, as a user has it: the resolver alone, or with a balancer."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Iterator, Sequence

from kubernetes.client import Configuration

from benchmarks.watching.following import Published
from benchmarks.watching.slices import NAMESPACE, PORT
from discovery import Balancer
from discovery.model import Snapshot
from discovery.resolvers import Resolver
from discovery.resolvers.kubernetes import KubernetesResolver


def follow_resolver(configuration: Configuration, service: str, published: Published) -> None:
    """Iterate `resolver.watch()`."""
    asyncio.run(_follow_resolver(configuration, service, published))


async def _follow_resolver(configuration: Configuration, service: str, published: Published) -> None:
    resolver = KubernetesResolver(service, PORT, namespace=NAMESPACE, config=configuration)
    async with contextlib.aclosing(resolver.watch()) as snapshots:
        async for snapshot in snapshots:
            if published(int(snapshot.version), len(snapshot.endpoints)):
                return


def follow_balancer(configuration: Configuration, service: str, published: Published) -> None:
    """Listen to a balancer: published is what its pool has taken over."""
    over = threading.Event()

    def tell(version: int, ready: int | None) -> bool:
        if published(version, ready):
            over.set()
        return over.is_set()

    with hold(configuration, [service], tell):
        over.wait()


@contextlib.contextmanager
def hold(configuration: Configuration, services: Sequence[str], published: Published) -> Iterator[None]:
    """While the block runs, a balancer for each Service follows it."""
    with contextlib.ExitStack() as balancers:
        for service in services:
            resolver = _Noting(KubernetesResolver(service, PORT, namespace=NAMESPACE, config=configuration))
            balancer = balancers.enter_context(Balancer(resolver=resolver))
            balancers.enter_context(balancer.listening(functools.partial(resolver.tell, published)))
            balancer.start()
        yield


class _Noting(Resolver):
    """Another resolver, and what a listener is not told: the version and the size of the set that was given last."""

    def __init__(self, inner: KubernetesResolver) -> None:
        self._inner = inner
        self._newest = (0, 0)

    async def watch(self) -> AsyncIterator[Snapshot]:
        async with contextlib.aclosing(self._inner.watch()) as snapshots:
            async for snapshot in snapshots:
                self._newest = (int(snapshot.version), len(snapshot.endpoints))
                yield snapshot

    def tell(self, published: Published) -> None:
        """The balancer's pool has taken over that set."""
        published(*self._newest)
