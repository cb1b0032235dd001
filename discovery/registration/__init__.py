"""How a provider registers itself, where no Kubernetes does it: a key in etcd that lives as long as the provider."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from discovery import runtime
from discovery.errors import Closed, InvalidTarget, Unresolved
from discovery.model import Endpoint, Target, split_address
from discovery.registration import _exits

if TYPE_CHECKING:
    from discovery.registration._tenure import Tenure

_log = logging.getLogger("discovery")

SHORTEST_TTL_S = 2
LONGEST_TTL_S = 86_400
LEAVE_S = 2.0
"""How long a close may take. Whoever is not deregistered by then is so when the lease ends."""


class Registration:
    """A provider's own entry below the prefix of an `etcd:` target, from `start` to `close`; thread-safe.

    target    `etcd://HOST:PORT[,HOST:PORT]/PREFIX`, the one that its clients are given
    endpoint  at which clients reach it; as text, `HOST:PORT`
    ttl_s     after so many seconds without a sign of it a provider is taken for dead, and its entry is removed
    tls, user, password  as `EtcdResolver` takes them

    `start` returns at once: a registry that is away keeps no server from serving. The entry is written, kept alive and,
    when etcd has lost it, written again, on the runtime's thread; trouble is logged on `discovery`, and tried again. A
    forked child is not registered by its parent's entry, and its `close` does not remove that; it may `start` its own.
    """

    def __init__(
        self,
        target: str | Target,
        endpoint: Endpoint | str,
        *,
        ttl_s: int = 10,
        tls: ssl.SSLContext | None = None,
        user: str = "",
        password: str = "",
    ) -> None:
        target = Target.parse(target) if isinstance(target, str) else target
        if target.scheme != "etcd":
            raise target.invalid("one can register in an etcd: alone; Kubernetes registers its pods itself")
        if type(ttl_s) is not int or not SHORTEST_TTL_S <= ttl_s <= LONGEST_TTL_S:
            raise ValueError(f"ttl_s={ttl_s!r} is not a whole number from {SHORTEST_TTL_S} to {LONGEST_TTL_S}")
        try:
            from discovery.registration._tenure import tenure_of  # noqa: PLC0415 - it loads httpx
        except ModuleNotFoundError as error:
            raise InvalidTarget(
                f"target {str(target)!r} needs the package {error.name}: pip install discovery-lb[etcd]"
            ) from error
        if isinstance(endpoint, str):
            endpoint = Endpoint(*split_address(endpoint))
        self._what = f"{endpoint} at {target}"
        self._make: Callable[[], Tenure] = lambda: tenure_of(target, endpoint, ttl_s, tls, user, password, repr(self))
        self._make()  # raises where an argument is wrong
        self._idle()

    def _idle(self) -> None:
        self._tenure: Tenure | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._over: concurrent.futures.Future[None] = concurrent.futures.Future()

    @property
    def registered(self) -> bool:
        """Whether the entry is there, as far as is known."""
        return self._tenure is not None and self._tenure.registered

    @property
    def error(self) -> str | None:
        """What registering fails with, or None."""
        return self._tenure.error if self._tenure else None

    def start(self) -> Self:
        """Register, and stay so; returns at once, and does nothing the second time. Raises `Closed` after `close`."""
        if self._closed:
            raise Closed(f"{self!r} was closed; a new one is needed")
        if self._tenure is None:
            self._tenure = self._make()
            runtime.survive_fork(self)
            _exits.end_with_the_process(self)
            runtime.submit(self._run(self._tenure))
        return self

    def wait(self, timeout_s: float | None = None) -> None:
        """Block until the entry is written for the first time; raises `Unresolved` after the time, `Closed`."""
        first = self._first()
        concurrent.futures.wait([first], timeout_s)
        self._check(first, timeout_s)

    async def wait_async(self, timeout_s: float | None = None) -> None:
        """The same, asyncio."""
        first = self._first()
        await _done(first, timeout_s)
        self._check(first, timeout_s)

    def close(self) -> None:
        """Deregister; waits for it for at most 2 s. Whatever it could not remove goes when its lease ends."""
        if self.begin_close():
            concurrent.futures.wait([self._over], LEAVE_S)

    async def aclose(self) -> None:
        """The same, asyncio."""
        if self.begin_close():
            await _done(self._over, LEAVE_S)

    def begin_close(self) -> bool:
        """Begin to deregister, from any thread and from a signal's handler; returns whether there is an end to come."""
        if not self._closed:
            self._closed = True
            # Either this sees the task, or the task, when it begins, sees that.
            if self._task is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
        return self._tenure is not None

    def after_fork(self) -> None:
        """In a child: what is registered is the parent."""
        self._idle()

    async def _run(self, tenure: Tenure) -> None:
        over = self._over
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            if not self._closed:
                await tenure.hold(leave_s=LEAVE_S)
        except Exception:  # noqa: BLE001 - who is not registered any more must hear of it, whatever it was
            _log.exception("%r: registering has ended", self)
        finally:
            tenure.first.cancel()
            _exits.ended(self)
            over.set_result(None)

    def _first(self) -> concurrent.futures.Future[None]:
        if self._tenure is None:
            raise Closed(f"{self!r} is not started")
        return self._tenure.first

    def _check(self, first: concurrent.futures.Future[None], timeout_s: float | None) -> None:
        if not first.done():
            why = f": {self.error}" if self.error else ", and no etcd has answered yet"
            raise Unresolved(f"{self!r}: not registered within {timeout_s:g} s{why}")
        if first.cancelled():
            raise Closed(f"{self!r} was closed")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"registration of {self._what}"


def register(
    target: str | Target,
    endpoint: Endpoint | str,
    *,
    ttl_s: int = 10,
    tls: ssl.SSLContext | None = None,
    user: str = "",
    password: str = "",
) -> Registration:
    """Register this provider, from now to the `close` of what it returns, the end of a `with` or `async with` block, or
    the end of the process: at its exit, and by SIGTERM where the program does not handle that itself.

        with discovery.register("etcd://etcd:2379/services/orders", "10.0.0.1:8080"):
            serve()

    Arguments as `Registration` has them; raises `InvalidTarget`, ValueError.
    """
    return Registration(target, endpoint, ttl_s=ttl_s, tls=tls, user=user, password=password).start()


async def _done(future: concurrent.futures.Future[None], timeout_s: float | None) -> None:
    """Wait for it, or for so long. (`asyncio.wrap_future` would cancel it when its waiter is cancelled.)"""
    event = runtime.LoopEvent()
    future.add_done_callback(lambda _: event.set_threadsafe())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
