"""Balancer: the public face of a target, its resolver and its pool."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from discovery import registry, runtime
from discovery.balancing import Balancing
from discovery.checks import Checked, HttpCheck
from discovery.errors import DiscoveryError, Overloaded, Unresolved
from discovery.model import Endpoint, Target
from discovery.node import Lease, Node
from discovery.policies import Policy
from discovery.pool import Clock, Connector, Pool
from discovery.resolvers import Resolver
from discovery.retries import RetryBudget
from discovery.subscription import Subscription

_CLOCK = runtime.Clock()


@dataclass(frozen=True, slots=True)
class EndpointState:
    """One endpoint as the balancer sees it now.

    ready       may take requests
    error       why it cannot be reached, or None
    in_flight   requests that have not ended
    failures    requests that ended badly
    ejected     kept from requests for a while, as too many ended badly
    sick        an active check says that it is
    latency_ms  what its answers take, where the policy measures it
    """

    endpoint: Endpoint
    ready: bool
    error: str | None
    in_flight: int
    failures: int
    ejected: bool = False
    sick: bool = False
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What a balancer knows at one moment.

    endpoints  of the newest snapshot, in its order
    version    the resolver's name for it
    age_s      since it came; None before the first
    source     "idle" (not used yet), "pending" (no answer yet), "ok", "failing" (what is there is the last good
               set) or "closed"
    error      what the source fails with, or None
    """

    endpoints: tuple[EndpointState, ...]
    version: str
    age_s: float | None
    source: str
    error: str | None

    def __str__(self) -> str:
        age = "never resolved" if self.age_s is None else f"{len(self.endpoints)} endpoints, {self.age_s:.1f} s old"
        return f"source {self.source}{f' ({self.error})' if self.error else ''}, {age}"


def _state(node: Node) -> EndpointState:
    return EndpointState(
        node.endpoint,
        node.ready,
        node.error,
        len(node.leases),
        node.failures,
        node.ejected,
        node.sick,
        node.latency.average_s * 1000 if node.latency else None,
    )


class Balancer:
    """Picks an endpoint of a target for each request; for any protocol that has no adapter here.

    Nothing starts before the first pick. It may be used from any number of threads and loops at once,
    and in children forked after its construction or use, which resolve anew.

    target     a string as in the documentation of targets, or a `Target`; alternatively
    resolver   a `Resolver` of your own
    policy     a name or a `Policy`: which endpoint takes a request
    balancing  health, locality, limits, retries
    check      an `HttpCheck`, where endpoints are to be asked whether they are well
    connector  for adapters that own connections: see `discovery.pool.Connector`
    clock      a `discovery.pool.Clock`; a test may give a `FakeClock`

    Raises `InvalidTarget` for a target or policy that cannot be understood.
    """

    def __init__(
        self,
        target: str | Target | None = None,
        *,
        resolver: Resolver | None = None,
        policy: str | Policy = "least_request",
        balancing: Balancing | None = None,
        check: HttpCheck | None = None,
        connector: Connector | None = None,
        clock: Clock = _CLOCK,
    ) -> None:
        if (target is None) == (resolver is None):
            raise TypeError("a Balancer takes either a target or a resolver")
        self.resolver = resolver or registry.resolver(target or "")
        self._label = repr(resolver) if target is None else str(target)
        self.balancing = balancing or Balancing()
        self.retry_budget = self.balancing.retry_budget or RetryBudget(clock=clock)
        policy = registry.policy(policy) if isinstance(policy, str) else policy
        self._checked = Checked(check, connector) if check else None
        self._pool = Pool(policy, clock=clock, balancing=self.balancing, connector=self._checked or connector)
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self._starting = threading.Lock()
        self._watch: runtime.Watch | None = None
        self._waiters = 0

    def pick(self, key: str | None = None, avoid: Collection[Endpoint] = (), timeout_s: float | None = None) -> Lease:
        """A lease on the endpoint for one request; blocks only while the target is not resolved yet, or full.

        key        for policies that hash
        avoid      endpoints not to take if there is another
        timeout_s  how long to wait while pending or full; None is for ever

        Raises `Unresolved` or `Overloaded` after `timeout_s`, `NoEndpoints`, `ResolutionFailed`, `Closed`.
        """
        lease = self.pick_nowait(key, avoid)
        if lease is not None:
            return lease
        changed = threading.Event()
        deadline = None if timeout_s is None else self._clock() + timeout_s
        with self._waiting(changed.set):
            while (lease := self.pick_nowait(key, avoid)) is None:
                if not changed.wait(None if deadline is None else max(0.0, deadline - self._clock())):
                    raise self._late(timeout_s, key, avoid)
                changed.clear()
        return lease

    async def pick_async(
        self, key: str | None = None, avoid: Collection[Endpoint] = (), timeout_s: float | None = None
    ) -> Lease:
        """As `pick`, for asyncio."""
        lease = self.pick_nowait(key, avoid)
        if lease is not None:
            return lease
        changed = runtime.LoopEvent()
        try:
            async with asyncio.timeout(timeout_s):
                with self._waiting(changed.set_threadsafe):
                    while (lease := self.pick_nowait(key, avoid)) is None:
                        await changed.wait()
                        changed.clear()
        except TimeoutError:
            raise self._late(timeout_s, key, avoid) from None
        return lease

    def pick_nowait(self, key: str | None = None, avoid: Collection[Endpoint] = ()) -> Lease | None:
        """As `pick`, but None while the target is not resolved yet, or every endpoint is at its limit."""
        try:
            lease = self._pool.pick(key, avoid)
        except Overloaded:
            return None
        except DiscoveryError as error:
            raise self._told(error) from None
        if lease is None and self._watch is None:
            self.start()
        return lease

    def start(self) -> None:
        """Begin to resolve (and the adapter to connect) now, rather than with the first pick; does nothing twice."""
        with self._starting:
            if self._watch is None and not self._pool.closed:
                runtime.survive_fork(self)
                self._watch = runtime.Watch(self.resolver, self._pool, clock=self._clock)

    def snapshot(self) -> State:
        """The endpoints as they are now, their version and age, and the state of their source."""
        watch, snapshot = self._watch, self._pool.snapshot
        updated_at = watch.updated_at if watch else None
        return State(
            endpoints=tuple(map(_state, self._pool.nodes)),
            version=snapshot.version if snapshot else "",
            age_s=None if updated_at is None else self._clock() - updated_at,
            source=self._source(watch),
            error=watch.error if watch else None,
        )

    def subscribe(self, listener: Callable[[State], object]) -> Subscription[State]:
        """Call `listener` with the state now and after each change, on a thread of its own, until the result's `close`.

        The last state is that of the closed balancer. A listener that is slow misses what came meanwhile, and sees
        the newest. Begins to resolve, as a pick does.
        """
        self.start()

        def read() -> tuple[State, bool]:
            state = self.snapshot()
            return state, state.source == "closed"

        return Subscription(self._pool.listening, read, listener)

    def listening(self, listener: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """While the block runs, call `listener` after each change, on any thread; it must not wait. For adapters."""
        return self._pool.listening(listener)

    def close(self) -> None:
        """End the watch and close all connections; from any thread, at once. Later picks raise `Closed`."""
        with self._starting:
            self._pool.close()
            if self._watch is not None:
                self._watch.close()

    async def aclose(self) -> None:
        """As `close`, for asyncio."""
        self.close()

    def after_fork(self) -> None:
        """Begin anew in a forked child; called by the runtime."""
        self._pool.forget()
        if self._checked is not None:
            self._checked.forget()
        self._inherited = (self._starting, self._watch)
        self._begin()

    def _source(self, watch: runtime.Watch | None) -> str:
        if self._pool.closed:
            return "closed"
        if watch is None:
            return "idle"
        if watch.error is not None:
            return "failing"
        return "pending" if watch.updated_at is None else "ok"

    @contextlib.contextmanager
    def _waiting(self, wake: Callable[[], None]) -> Iterator[None]:
        """While the block runs, one more caller waits and is woken after each change; raises `Overloaded`."""
        most = self.balancing.max_waiting
        with self._starting:
            if most and self._waiters >= most:
                raise self._told(Overloaded(f"{most} callers wait already, the most that may"))
            self._waiters += 1
        try:
            with self._pool.listening(wake):
                yield
        finally:
            with self._starting:
                self._waiters -= 1

    def _late(self, timeout_s: float | None, key: str | None, avoid: Collection[Endpoint]) -> DiscoveryError:
        """Why there was no pick in time."""
        try:
            lease = self._pool.pick(key, avoid)
        except DiscoveryError as error:
            return self._told(error)
        if lease is not None:
            lease.retract()
        return self._told(Unresolved(f"not resolved within {timeout_s:g} s"))

    def _told(self, error: DiscoveryError) -> DiscoveryError:
        """The error with what there is to know about the target."""
        return type(error)(f"{self._label}: {error}; {self.snapshot()}")

    def __del__(self) -> None:
        # One that is dropped unclosed must not be watched for until the process ends. Neither watch nor checks hold it.
        if (watch := getattr(self, "_watch", None)) is not None:
            watch.close()
            if self._checked is not None:
                self._checked.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Balancer {self._label}: {self.snapshot()}>"
