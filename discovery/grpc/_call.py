"""Sync calls that run while their caller does something else: futures, and streams of replies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, Self

import grpc

from discovery.balancer import Balancer
from discovery.errors import DiscoveryError
from discovery.grpc._attempts import Attempts, left_s
from discovery.grpc._errors import CANCELLED, PickError
from discovery.grpc._methods import Method
from discovery.grpc._replay import Replay
from discovery.model import Outcome
from discovery.node import Lease


class _Maker(Protocol):
    """The multicallable that the call is of."""

    sends_many: bool
    balancer: Balancer
    method: Method

    def at_hand(self, failed: list[Any], *, waits: bool) -> Lease | None: ...

    def ended(self, lease: Lease, code: grpc.StatusCode | None, details: str | None) -> None: ...


class _Call(grpc.RpcError, grpc.Call, grpc.Future):
    """grpc's own call once there is an endpoint, and another one of its for each further try.

    The tries that do not wait for anything happen on the caller's thread or on grpc's; one that has to wait for an
    endpoint has a thread of its own meanwhile.
    """

    def __init__(
        self, maker: _Maker, request: Any, deadline: float | None, rest: tuple[Any, ...], *, waits: bool
    ) -> None:
        super().__init__()
        self._maker = maker
        self._request = Replay(request) if maker.sends_many else request
        self._deadline = deadline
        self._rest = rest
        self._waits = waits
        self._attempts: Attempts | None = None
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._inner: Any = None
        self._over = False
        self._cancelled = False
        self._committed = False
        self._callbacks: list[Callable[[], Any]] = []
        self._try()

    # The tries

    def _try(self) -> None:
        """Begin the first one; raises what grpc's own call would raise at once."""
        try:
            lease = self._maker.at_hand([], waits=self._waits)
        except PickError as error:
            self._finish(error)
            return
        if lease is not None:
            self._begin(lease)
        else:
            self._try_later(0.0)

    def _try_later(self, delay_s: float) -> None:
        threading.Thread(target=self._await, args=(delay_s,), name="discovery-call", daemon=True).start()

    def _await(self, delay_s: float) -> None:
        """Wait so long, and then for an endpoint, on a thread of its own."""
        balancer, failed = self._maker.balancer, self._attempts.failed if self._attempts else []
        timeout_s = left_s(self._deadline)
        try:
            if delay_s:
                self._wake.wait(delay_s)
            with balancer.waiting(self._wake.set):
                while True:
                    self._wake.clear()
                    if self._cancelled:
                        return
                    lease = balancer.pick_nowait(None, failed, wait_for_ready=self._waits)
                    if lease is not None:
                        self._begin(lease)
                        return
                    if not self._wake.wait(left_s(self._deadline)):
                        self._begin(balancer.at_last(None, failed, timeout_s))
                        return
        except DiscoveryError as error:
            self._finish(PickError(error))
        except Exception as error:  # noqa: BLE001 - grpc refused to begin the call: who waits for it is to hear why
            self._finish(error)

    def _begin(self, lease: Lease) -> None:
        request = self._request.begin() if isinstance(self._request, Replay) else self._request
        try:
            inner = self._make(lease)(request, left_s(self._deadline), *self._rest)
        except BaseException:
            lease.done(Outcome.CANCELLED)
            raise
        with self._changed:
            self._inner = inner
            self._changed.notify_all()
        if self._cancelled:
            inner.cancel()
        inner.add_done_callback(lambda _: self._ended(lease, inner))

    def _make(self, lease: Lease) -> Any:
        return lease.node.connection[self._maker.method]

    def _ended(self, lease: Lease, inner: Any) -> None:
        """grpc's call is over: so is this one, or there is another try."""
        code, details = inner.code(), inner.details()
        self._maker.ended(lease, code, details)
        delay_s = None
        if code is not grpc.StatusCode.OK and not self._cancelled and self._may_go_again():
            if self._attempts is None:
                config = self._maker.method.config
                self._attempts = Attempts(self._maker.balancer, config, self._deadline, waits=self._waits)
            delay_s = self._attempts.after(lease.endpoint, code, details)
        if delay_s is None:
            self._finish(inner)
        else:
            # Not here, on the thread that polls for all of grpc's calls.
            self._try_later(delay_s)

    def _may_go_again(self) -> bool:
        return not self._committed and not (isinstance(self._request, Replay) and not self._request.complete)

    def _finish(self, inner: Any) -> None:
        with self._changed:
            if self._over:
                return
            self._inner, self._over = inner, True
            callbacks, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            callback()

    # What callers ask

    def _final(self, timeout: float | None = None) -> Any:
        """grpc's call, or the error in its place, when all is over."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._over, timeout):
                raise grpc.FutureTimeoutError
        if not isinstance(self._inner, grpc.Call):
            raise self._inner
        return self._inner

    def _begun(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: self._inner is not None)
        return self._inner

    def cancel(self) -> bool:
        with self._changed:
            if self._over:
                return False
            self._cancelled = True
            inner = self._inner
        self._wake.set()
        if inner is None or not inner.cancel():
            self._finish(CANCELLED)
        return True

    def cancelled(self) -> bool:
        return self._cancelled

    def running(self) -> bool:
        return not self._over

    def done(self) -> bool:
        return self._over

    def is_active(self) -> bool:
        return not self._over

    def time_remaining(self) -> Any:
        return left_s(self._deadline)

    def add_callback(self, callback: Callable[[], Any]) -> bool:
        with self._changed:
            if self._over:
                return False
            self._callbacks.append(callback)
            return True

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        if not self.add_callback(lambda: callback(self)):
            callback(self)

    def result(self, timeout: float | None = None) -> Any:
        error = self.exception(timeout)
        if error is not None:
            raise error
        return self._inner.result()

    def exception(self, timeout: float | None = None) -> Any:
        inner = self._final(timeout)
        if self._cancelled and inner.code() is grpc.StatusCode.CANCELLED:
            raise grpc.FutureCancelledError
        return None if inner.code() is grpc.StatusCode.OK else inner

    def traceback(self, timeout: float | None = None) -> Any:
        error = self.exception(timeout)
        try:
            if error is not None:
                raise error
        except grpc.RpcError as raised:
            return raised.__traceback__
        return None

    def initial_metadata(self) -> Any:
        return self._begun().initial_metadata()

    def trailing_metadata(self) -> Any:
        return self._final().trailing_metadata()

    def code(self) -> Any:
        return self._final().code()

    def details(self) -> Any:
        return self._final().details()

    def debug_error_string(self) -> Any:
        return getattr(self._final(), "debug_error_string", str)()


class FutureCall(_Call):
    """`.future()` of a method with one reply."""

    def _make(self, lease: Lease) -> Any:
        return super()._make(lease).future


class StreamCall(_Call):
    """A stream of replies; once there was one, it is not tried again."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while True:
            inner = self._begun()
            if not hasattr(inner, "__next__"):
                raise inner  # there was no endpoint
            try:
                reply = next(inner)
            except StopIteration:
                raise
            except grpc.RpcError:
                with self._changed:
                    self._changed.wait_for(lambda: self._over or self._inner is not inner)  # noqa: B023 - it is waited for here
                if self._inner is inner:
                    raise
            else:
                if not self._committed:
                    self._committed = True
                    if isinstance(self._request, Replay):
                        self._request.release()
                return reply
