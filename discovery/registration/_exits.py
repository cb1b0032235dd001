"""Has registrations end with their process, without taking anything from the program.

At exit (`atexit`), which is how programs end that handle SIGTERM themselves, as uvicorn and gunicorn do. SIGTERM of its
own ends a process on the spot, without exit handlers; so where nobody handles it when the first registration starts,
that is done here: deregister, then end by that same signal, as it would have been. A program's own handler, installed
before or after, stays its own; one that passes on to the handler before it, as uvicorn does, ends here too. And a
thread that is not the main one may install none: then there is `close`, or the end of the lease.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discovery.registration import Registration

_open: dict[int, set[Registration]] = {}
"""By process: a forked child has none."""
_AT_EXIT: list[int] = []


def end_with_the_process(registration: Registration) -> None:
    """From now until `ended`."""
    _open.setdefault(os.getpid(), set()).add(registration)
    if not _AT_EXIT:
        _AT_EXIT.append(os.getpid())
        atexit.register(_close_all)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def ended(registration: Registration) -> None:
    """It needs no end any more."""
    _open.get(os.getpid(), set()).discard(registration)


def _close_all() -> None:
    """All at once, within the time of one."""
    begun = [each for each in tuple(_open.get(os.getpid(), ())) if each.begin_close()]
    for each in begun:
        each.close()


def _terminated(number: int, _frame: FrameType | None) -> None:
    _close_all()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
