"""What a client process tells of itself while it is measured: which pods have answered, a few times a second."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from benchmarks.load import Request

INTERVAL_S = 0.25


@dataclass(frozen=True, slots=True)
class Counts:
    """Answers by pod, and requests that failed, since the last report."""

    by_backend: dict[str, int]
    errors: int


class _Told(Protocol):
    def send(self, message: Counts, /) -> None: ...


@contextmanager
def reporting(ended: Sequence[Request], messages: _Told, *, wanted: bool) -> Iterator[None]:
    """Send Counts of what comes to the end of `ended` while the block lasts, if wanted.

    Nothing is done per request: a thread wakes, counts what is new and sleeps again.
    """
    if not wanted:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_report, args=(ended, messages, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # Who sends next must not meet half a message of ours.
        thread.join()


def _report(ended: Sequence[Request], messages: _Told, over: threading.Event) -> None:
    told = 0
    while not over.wait(INTERVAL_S):
        new = ended[told:]
        if not new:
            continue  # a client that hangs must not sound alive
        told += len(new)
        counts = Counter(request.backend for request in new)
        errors = counts.pop(None, 0)
        messages.send(Counts({pod: count for pod, count in counts.items() if pod is not None}, errors))
