"""That a process ends, whatever happens to it or to those that it waits for."""

from __future__ import annotations

import math
import signal


def end_after(limit_s: float) -> None:
    """Have the system end this process when its time is over, and leave Ctrl-C to the one who started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.alarm(math.ceil(limit_s))
