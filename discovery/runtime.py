"""The only thread, loop and fork code: iterates resolvers, backs off, keeps the last good snapshot.

One daemon thread runs one asyncio loop for the whole process. It starts with the first watch, so that
an import or a construction starts nothing, and a parent that only builds balancers can fork freely.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from discovery.model import Snapshot
from discovery.resolvers import Resolver, ResolverError

_log = logging.getLogger("discovery")


class ForkAware(Protocol):
    """Something that must begin anew in a forked child."""

    def after_fork(self) -> None:
        """Called in the child, before anything else runs there."""


class Sink(Protocol):
    """Where a watch delivers, on the runtime's thread."""

    def update(self, snapshot: Snapshot) -> None:
        """A new complete set."""

    def fail(self, why: str) -> None:
        """The resolver failed; it will be tried again."""

    def expire(self, why: str) -> None:
        """It has failed for longer than it may; `fail` was called before."""


class Backoff:
    """Delays before the next try: exponential with full jitter.

    The numbers are those of client-go's reflector: 0.8 s doubled to 30 s, forgotten after 2 minutes of health.

    random  a source of floats in [0, 1)
    clock   seconds, monotonic
    """

    FIRST_S = 0.8
    LONGEST_S = 30.0
    HEALTHY_S = 120.0

    def __init__(self, *, random: Callable[[], float], clock: Callable[[], float]) -> None:
        self._random = random
        self._clock = clock
        self._bound_s = self.FIRST_S
        self._since = clock()

    def started(self) -> None:
        """A try begins."""
        self._since = self._clock()

    def delay_s(self) -> float:
        """It failed: how long to wait before the next one."""
        if self._clock() - self._since > self.HEALTHY_S:
            self._bound_s = self.FIRST_S
        bound_s, self._bound_s = self._bound_s, min(self._bound_s * 2, self.LONGEST_S)
        return self._random() * bound_s


class Watch:
    """One resolver, iterated for one sink from construction until `close`.

    error       what the resolver failed with last; None while it works
    updated_at  `clock` at the newest snapshot, None before the first

    What changes is logged on `discovery`; the records have `resolver` and `error` as attributes too.
    """

    def __init__(
        self,
        resolver: Resolver,
        sink: Sink,
        *,
        random: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.error: str | None = None
        self.updated_at: float | None = None
        self._failing_since: float | None = None
        self._resolver = resolver
        self._sink = sink
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(random=random, clock=clock)
        self._running = submit(self._run())

    def close(self) -> None:
        """End it, from any thread, without waiting for it."""
        self._running.cancel()

    async def _run(self) -> None:
        while True:
            self._backoff.started()
            try:
                async for snapshot in self._resolver.watch():
                    self._deliver(snapshot)
            except Exception as error:  # noqa: BLE001 - resolvers are plug-ins: whatever one raises is told and tried again
                self._failed(error)
                wish = error if isinstance(error, ResolverError) else ResolverError("")
            else:
                return  # a resolver whose set never changes has said it all
            delay_s = max(self._backoff.delay_s(), wish.retry_after_s or 0.0)
            await self._pause(delay_s if wish.retry_within_s is None else min(delay_s, wish.retry_within_s))

    async def _pause(self, delay_s: float) -> None:
        """Wait before the next try; in the meantime the last good set may become too old to be served."""
        bound_s = self._resolver.max_stale_s
        if bound_s is not None and self._failing_since is not None:
            left_s = self._failing_since + bound_s - self._clock()
            if left_s <= delay_s:
                await self._sleep(max(0.0, left_s))
                self._sink.expire(
                    f"{self.error}, for longer than the {bound_s:g} s for which the last set may be served"
                )
                delay_s -= max(0.0, left_s)
        await self._sleep(delay_s)

    def _deliver(self, snapshot: Snapshot) -> None:
        if self.error is not None:
            self._log(logging.INFO, "%s: resolving works again", None)
        self.error, self.updated_at, self._failing_since = None, self._clock(), None
        self._sink.update(snapshot)

    def _failed(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        if why != self.error:
            self._log(logging.WARNING, "%s: resolving failed and is tried again: %s", why)
        self.error = why
        if self._failing_since is None:
            self._failing_since = self._clock()
        self._sink.fail(why)

    def _log(self, level: int, text: str, error: str | None) -> None:
        resolver = repr(self._resolver)
        _log.log(level, text, resolver, *filter(None, [error]), extra={"resolver": resolver, "error": error})


class _Thread:
    """The thread and its loop, as they are in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, work: Coroutine[Any, Any, None]) -> concurrent.futures.Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        loop = self._running()
        loop.call_soon_threadsafe(loop.call_later, delay_s, call)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="discovery", daemon=True).start()
            return self._loop


class Clock:
    """The real one; what is to be called later is called on the runtime's thread."""

    __call__ = staticmethod(time.monotonic)

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        _thread.later(delay_s, call)


class LoopEvent(asyncio.Event):
    """An event of the running loop that any thread may set."""

    def __init__(self) -> None:
        super().__init__()
        self._home = asyncio.get_running_loop()

    def set_threadsafe(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed already, and with it the one who waits
            self._home.call_soon_threadsafe(self.set)


_thread = _Thread()
_inherited: list[_Thread] = []
_fork_aware: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def submit(work: Coroutine[Any, Any, None]) -> concurrent.futures.Future[None]:
    """Run a coroutine on the runtime's loop; the future's `cancel` cancels it. Callable from any thread."""
    return _thread.submit(work)


def survive_fork(thing: ForkAware) -> None:
    """Have `thing.after_fork` called in children forked from now on, for as long as it lives."""
    _fork_aware.add(thing)


def _after_fork() -> None:
    global _thread  # noqa: PLW0603 - the one thing that a child must replace for the whole process
    # Kept, not dropped: closing an inherited loop would touch what the parent still uses.
    _inherited.append(_thread)
    _thread = _Thread()
    for thing in tuple(_fork_aware):
        thing.after_fork()


def around_fork(before: Callable[[], None], after_in_parent: Callable[[], None]) -> None:
    """Have these called in a process that forks, for what must not be at work at that moment."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_parent=after_in_parent)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
