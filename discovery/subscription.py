"""Telling somebody of changes who may take their time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

_log = logging.getLogger("discovery")

State = TypeVar("State")


class Subscription(Generic[State]):
    """Calls a listener with the newest state, now and after each change, until `close`.

    It has a thread of its own, so that a slow listener holds up nobody: it misses what came while it was busy, and
    then sees the newest. What it raises is logged.

    listening  while its block runs, a function is called after each change, on any thread
    read       the state now, and whether it is the last
    """

    def __init__(
        self,
        listening: Callable[[Callable[[], None]], AbstractContextManager[None]],
        read: Callable[[], tuple[State, bool]],
        listener: Callable[[State], object],
    ) -> None:
        self._listening = listening
        self._read = read
        self._listener = listener
        self._changed = threading.Event()
        self._closed = False
        threading.Thread(target=self._run, name="discovery-subscriber", daemon=True).start()

    def close(self) -> None:
        """Call it no more; from any thread, without waiting for a call that is under way."""
        self._closed = True
        self._changed.set()

    def _run(self) -> None:
        with self._listening(self._changed.set):
            over = False
            while not self._closed and not over:
                self._changed.clear()
                state, over = self._read()
                try:
                    self._listener(state)
                except Exception:  # noqa: BLE001 - a listener's error is its own affair, and is told
                    _log.exception("a subscriber failed")
                if not over:
                    self._changed.wait()
