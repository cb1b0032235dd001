"""The Services that streams ask for: one watch each, whatever the number of streams, and what it has told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache

from discovery.errors import InvalidTarget
from discovery.model import Endpoint, Snapshot
from discovery.outliers import Outliers
from discovery.resolvers import Resolver
from discovery.runtime import Watch
from discovery.split import Split
from discovery.xds import _resources as resources

_log = logging.getLogger("discovery")

MOST_SERVICES = 1_000
"""At a time: who asks for names at random must not have the API server watched for each."""

_KEPT = 4_096


class World:
    """All that is known, and who is to be told of it. It lives on the loop of its first watch.

    resolve   a Service's resolver by its name; raises InvalidTarget where it cannot be one
    routes    the splits of names, whose parts are names of Services
    outliers  for all of them
    zones     whether they are localities
    drain_s   how long an endpoint that left is told as draining
    idle_s    how long a Service that nobody wants is followed on
    """

    def __init__(
        self,
        resolve: Callable[[str], Resolver],
        routes: Mapping[str, Split[str]],
        outliers: Outliers | None,
        *,
        zones: bool,
        drain_s: float,
        idle_s: float,
    ) -> None:
        self.changes = 0
        self._resolve = resolve
        self._routes = routes
        self._zones = zones
        self._drain_s = drain_s
        self._idle_s = idle_s
        self._services: dict[str, _Service] = {}
        self._static = {
            resources.LISTENER: lru_cache(_KEPT)(lambda name: resources.listener(name, self._split(name))),
            resources.ROUTES: lru_cache(_KEPT)(lambda name: resources.route_configuration(name, self._split(name))),
            resources.CLUSTER: lru_cache(_KEPT)(lambda name: resources.cluster(name, outliers)),
        }
        self._socket = lru_cache(_KEPT)(self._listens)
        self._stranger = lru_cache(_KEPT)(self._cannot_be)

    @property
    def version(self) -> str:
        return str(self.changes)

    def resource(self, kind: str, name: str) -> bytes | None:
        if kind != resources.ENDPOINTS:
            return self._static[kind](name)
        service = self._services.get(name)
        return service.assignment if service else self._stranger(name)

    def sidecar(self, kind: str, listeners: Iterable[tuple[str, str]]) -> dict[str, bytes]:
        if kind == resources.LISTENER:
            return {name: found for name, address in listeners if (found := self._socket(name, address)) is not None}
        names = dict.fromkeys(part for name, _ in listeners for part in self._split(name).parts)
        return {name: self._static[kind](name) for name in names}

    def follow(self, name: str, wake: Callable[[], None]) -> None:
        """Have `wake` called after each change of a Service; the first begins to watch it."""
        service = self._services.get(name)
        if service is None:
            if len(self._services) >= MOST_SERVICES:
                _log.warning("xds: %r is not followed, as %d Services are: the most that may", name, MOST_SERVICES)
                return
            try:
                resolver = self._resolve(name)
            except InvalidTarget as error:
                _log.warning("xds: a client asks for %r, and is told of no endpoint: %s", name, error)
                return
            service = _Service(name, resolver, self._changed, zones=self._zones, drain_s=self._drain_s)
            self._services[name] = service
        service.follow(wake)

    def leave(self, name: str, wake: Callable[[], None]) -> None:
        """Call it no more; a Service that nobody wants any more is let go after a while."""
        if (service := self._services.get(name)) is not None:
            service.leave(wake, self._idle_s, self._let_go)

    def close(self) -> None:
        """End all watches."""
        for service in self._services.values():
            service.close()
        self._services.clear()

    @property
    def followed(self) -> tuple[str, ...]:
        """The Services that are watched."""
        return tuple(self._services)

    def _changed(self) -> None:
        self.changes += 1

    def _let_go(self, name: str) -> None:
        _log.info("xds: nobody asks for %s any more, so it is not watched any more", name)
        self._services.pop(name).close()

    def _split(self, name: str) -> Split[str]:
        return self._routes.get(name) or Split([(1, name)])

    def _cannot_be(self, name: str) -> bytes | None:
        """No endpoints for what cannot be a Service; None for one that is not followed, of which nothing is known."""
        try:
            self._resolve(name)
        except InvalidTarget:
            return resources.assignment(name, (), (), zones=self._zones)
        return None

    def _listens(self, name: str, address: str) -> bytes | None:
        try:
            return resources.socket_listener(name, address, self._split(name))
        except ValueError as error:
            _log.warning("xds: a sidecar's metadata has it listen for %s at what is no address: %s", name, error)
            return None


class _Service:
    """One Service and its watch, whose news come on the runtime's thread, and are taken on the loop."""

    def __init__(
        self, name: str, resolver: Resolver, changed: Callable[[], None], *, zones: bool, drain_s: float
    ) -> None:
        self._name = name
        self._changed = changed
        self._zones = zones
        self._drain_s = drain_s
        self._loop = asyncio.get_running_loop()
        self._wakes: set[Callable[[], None]] = set()
        self._endpoints: dict[str, Endpoint] = {}
        self._draining: dict[str, tuple[Endpoint, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._letting_go: asyncio.TimerHandle | None = None
        self._built: Callable[[], bytes] | None = None
        self._told: str | None = None
        self._watch = Watch(resolver, self)

    @property
    def assignment(self) -> bytes | None:
        """As a resource; None as long as it is not known."""
        return self._built() if self._built else None

    def follow(self, wake: Callable[[], None]) -> None:
        self._wakes.add(wake)
        if self._letting_go is not None:
            self._letting_go.cancel()
            self._letting_go = None

    def leave(self, wake: Callable[[], None], idle_s: float, let_go: Callable[[str], None]) -> None:
        self._wakes.discard(wake)
        if not self._wakes and self._letting_go is None:
            self._letting_go = self._loop.call_later(idle_s, let_go, self._name)

    def close(self) -> None:
        self._watch.close()
        for timer in (self._timer, self._letting_go):
            if timer is not None:
                timer.cancel()

    def update(self, snapshot: Snapshot) -> None:
        self._later(self._take, snapshot)

    def fail(self, why: str) -> None:
        """The runtime has logged it. What is known stays; a client that has nothing yet waits."""

    def expire(self, why: str) -> None:
        self._later(self._take, Snapshot((), note=why))

    def _later(self, call: Callable[[Snapshot], None], snapshot: Snapshot) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, snapshot)

    def _take(self, snapshot: Snapshot) -> None:
        new = {each.address: each for each in snapshot.endpoints}
        until = self._loop.time() + self._drain_s
        left = ((address, (each, until)) for address, each in self._endpoints.items() if self._drain_s)
        self._draining = {
            address: drained for address, drained in {**dict(left), **self._draining}.items() if address not in new
        }
        if not new and self._told != snapshot.note:
            _log.warning("xds: %s has no endpoint: %s", self._name, snapshot.note or "its source says so")
        self._told = None if new else snapshot.note
        self._endpoints = new
        self._publish()

    def _publish(self) -> None:
        endpoints, draining = tuple(self._endpoints.values()), [each for each, _ in self._draining.values()]
        # Made when it is asked for: of several changes at once the last one counts.
        self._built = cache(lambda: resources.assignment(self._name, endpoints, draining, zones=self._zones))
        self._changed()
        for wake in tuple(self._wakes):
            wake()
        if self._timer is not None:
            self._timer.cancel()
        nearest = min((until for _, until in self._draining.values()), default=None)
        self._timer = None if nearest is None else self._loop.call_at(nearest, self._drained)

    def _drained(self) -> None:
        now = self._loop.time()
        self._draining = {address: item for address, item in self._draining.items() if item[1] > now}
        self._publish()
