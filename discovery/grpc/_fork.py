"""grpc and fork: what a parent must do before it, and what its children must not try.

grpc survives a fork only while none of its threads is at work in its core. Of ours there are the threads that poll the
state of a sync channel until it is READY, which can be stopped, and the one that serves every asyncio channel, which
goes only with the last of them.
"""

from __future__ import annotations

import gc
import os
import time
import weakref
from typing import Protocol

from discovery import runtime

QUIET_S = 0.3
"""grpc's polling threads look up every 0.2 s whether somebody is still subscribed."""
_REMEDY = (
    "create asyncio channels after the fork alone (in gunicorn's post_fork, say), or close them before it (`await "
    "channel.close()`)"
)


class Polled(Protocol):
    """A sync channel whose state grpc polls."""

    def pause(self) -> bool:
        """Stop that; whether it was, a moment ago at least."""

    def resume(self) -> None:
        """Begin again, if it was paused."""


class Living(Protocol):
    """The owner of asyncio channels."""

    @property
    def lives(self) -> bool:
        """Whether some are open."""


_polled: weakref.WeakSet[Polled] = weakref.WeakSet()
_living: weakref.WeakSet[Living] = weakref.WeakSet()
_used_in: set[int] = set()
_lived_in: set[int] = set()


def polled(channel: Polled) -> None:
    """From now on it is paused while the process forks."""
    _polled.add(channel)


def living(owner: Living) -> None:
    """This process uses asyncio channels."""
    _living.add(owner)
    _used_in.add(os.getpid())


def refuse_aio() -> None:
    """Raise RuntimeError in a child of a process that used `grpc.aio`, where it would crash or hang."""
    if _used_in - {os.getpid()}:
        raise RuntimeError(
            f"this process was forked from one that had used grpc.aio, which does not work here: {_REMEDY}"
        )


def refuse_sync() -> None:
    """Raise RuntimeError in a child of a process that had asyncio channels open, where grpc as a whole would crash."""
    if _lived_in - {os.getpid()}:
        raise RuntimeError(
            f"this process was forked from one that had grpc.aio channels open, and no gRPC works here: {_REMEDY}"
        )


def _before() -> None:
    paused = [channel.pause() for channel in tuple(_polled)]
    if os.getpid() in _used_in:
        gc.collect()  # a closed asyncio channel that is garbage keeps its thread at work
        if any(owner.lives for owner in tuple(_living)):
            _lived_in.add(os.getpid())
    if any(paused) or os.getpid() in _used_in:
        time.sleep(QUIET_S)  # grpc tells nobody when its threads have ended


def _after_in_parent() -> None:
    _lived_in.discard(os.getpid())
    for channel in tuple(_polled):
        channel.resume()


runtime.around_fork(_before, _after_in_parent)
