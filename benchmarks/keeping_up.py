"""Whether a client could send the load that it was to send, or is itself what was measured. Pure."""

from __future__ import annotations

from benchmarks.result import Run

MANY = 0.1
"""Late sends beyond this share of all are no hiccup."""

SHORT = 0.95
"""Answers below this share of what was offered are too few."""

BUSY = 0.8
"""A client that uses so much of one processor, and Python's lock lets it have no more, has no time left to send."""


def not_keeping_up(run: Run) -> str | None:
    """What is wrong and what to do, in words; None where the client kept up, or only waited for slow answers."""
    if run.requests is None or run.late_sends is None:
        return None
    late = run.late_sends > MANY * run.requests
    few = bool(run.dropped) or (run.achieved_rps or 0.0) < SHORT * run.offered_rps
    busy = f"{run.client_busy or 0.0:.0%} of a processor"
    if (late or few) and (run.client_busy or 0.0) >= BUSY:
        more = f"more of them may, with --client-processes {2 * run.client_processes}"
        return f"a client process cannot send its share, at {busy}: {more}"
    if late:
        share = f"{run.late_sends / run.requests:.0%} of the requests"
        return f"{share} left late, though answers were quick and the client at {busy}: others keep this machine busy"
    return None
