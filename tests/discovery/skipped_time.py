"""A loop on which waiting costs nothing, for tests of what takes a minute: sockets are real, seconds are not."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import selectors
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ParamSpec

import pytest

from discovery import runtime

Arguments = ParamSpec("Arguments")

REALLY_S = 0.001
"""How long nothing must have come in before time is skipped: what one end of a connection in this process has
written, the other end can read at once, unless the kernel is busy."""


class SkippingLoop(asyncio.SelectorEventLoop):
    """Its clock stands while there is anything to do, and then jumps to the next timer.

    Nothing that a timer waits for may run in a thread, whose time is real.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__(_Skipping(self))

    def time(self) -> float:
        return self.now_s


class _Skipping(selectors.DefaultSelector):
    def __init__(self, loop: SkippingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout and min(timeout, REALLY_S))
        if timeout and not found:
            self._loop.now_s += timeout
        return found


def without_waiting(test: Callable[Arguments, Coroutine[Any, Any, None]]) -> Callable[Arguments, None]:
    """Run a test on such a loop."""

    @functools.wraps(test)
    def run(*arguments: Arguments.args, **options: Arguments.kwargs) -> None:
        with asyncio.Runner(loop_factory=SkippingLoop) as runner:
            runner.run(test(*arguments, **options))

    return run


@contextlib.contextmanager
def runtime_on_this_loop() -> Iterator[None]:
    """Within the block watches begin on the running loop, whose time is then theirs, not on the runtime's thread."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runtime, "_thread", _Here())
        yield


class _Here:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def submit(self, work: Coroutine[Any, Any, None]) -> concurrent.futures.Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)
