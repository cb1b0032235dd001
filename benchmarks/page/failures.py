"""Requests that failed: when, how many, of what kind, and what the kind means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.page.arms import Arm
from benchmarks.page.drawing import EVENT, Band, Row
from benchmarks.page.events import first_of_each
from benchmarks.page.lines import chart, look
from benchmarks.result import Run

MEANINGS = {
    "ConnectError": "nobody accepted the connection",
    "ConnectTimeout": "nobody answered the attempt to connect in time",
    "ReadError": "the connection broke before the answer had come",
    "WriteError": "the connection broke while the request was sent",
    "RemoteProtocolError": "the server closed the connection where an answer was due",
    "ReadTimeout": "no answer came within the caller's time limit",
    "PoolTimeout": "no connection was free within the caller's time limit",
    "UNAVAILABLE": "the connection was refused or lost, or the server said that it cannot answer",
    "DEADLINE_EXCEEDED": "no answer came within the caller's time limit",
    "CANCELLED": "the connection went away under the call",
    "INTERNAL": "the server failed, or the connection broke in the middle of an answer",
    "UNKNOWN": "the server failed without saying how",
}
"""What the kinds of error say that httpx and grpc report."""


def draw(arms: Sequence[Arm]) -> tuple[Figure, list[Row], list[Band]] | None:
    """A line of errors a second for each arm that has any; None where none has, or nobody knows when."""
    shown = [(arm, run) for arm in arms if draws(arm) and (run := worst(arm))]
    if not shown:
        return None
    given = [_row(arm) for arm, _ in shown]
    figure, axes, placed = chart(given, "seconds")
    for number, (_, run) in enumerate(shown):
        assert run.timeline is not None
        step = run.timeline.interval_s
        times = [(index + 0.5) * step for index in range(len(run.timeline.errors))]
        axes.plot(times, [count / step for count in run.timeline.errors], clip_on=False, **look(number))
    for event in first_of_each(shown[0][1].events):
        axes.axvline(event.at_s, color=EVENT, linewidth=1, linestyle=(0, (1, 2)))
    axes.set_xlim(0, max(run.duration_s for _, run in shown))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_ylabel("errors / s", labelpad=2)
    return figure, given, placed


def draws(arm: Arm) -> bool:
    """Whether it has errors, and it is known when they came."""
    run = worst(arm)
    return run is not None and run.timeline is not None and any(run.timeline.errors)


def worst(arm: Arm) -> Run | None:
    """The repeat with most errors."""
    return max(arm.measured, key=lambda run: run.errors or 0, default=None)


def finding(arms: Sequence[Arm]) -> str:
    """Who failed how often, in a sentence."""
    failed = [arm for arm in arms if arm.errors]
    if not failed:
        return "Errors: no request failed."
    said = ", ".join(f"{arm.errors} of {arm.requests} with {arm.way}" for arm in failed)
    events = first_of_each(failed[0].measured[0].events)
    when = ", ".join(f"{event.what} after {event.at_s:.1f} s" for event in events)
    return f"Errors: {said}." + (f" Dotted: {when}." if when else "")


def why(arm: Arm) -> str:
    """The errors of the arm by kind, when they came, and what the kinds mean."""
    kinds: Counter[str] = Counter()
    for run in arm.measured:
        kinds.update(run.errors_by_kind or {})
    said = "; ".join(
        f"{count} {kind}" + (f": {meaning}" if (meaning := _meaning(kind)) else "") for kind, count in kinds.items()
    )
    return f"{arm.errors} of {arm.requests} requests failed{_when(worst(arm))}. {said}."


def _meaning(kind: str) -> str:
    if kind.isdigit():
        return f"the server answered with status {kind}"
    return MEANINGS.get(kind, "")


def _when(run: Run | None) -> str:
    if run is None or run.timeline is None or not any(run.timeline.errors):
        return ""
    failing = [index for index, count in enumerate(run.timeline.errors) if count]
    step = run.timeline.interval_s
    first, last = failing[0] * step, (failing[-1] + 1) * step
    text = f", between second {first:.1f} and {last:.1f}"
    before = [event for event in run.events if event.at_s <= first + step]
    return f"{text} ({before[-1].what} at {before[-1].at_s:.1f} s)" if before else text


def _row(arm: Arm) -> Row:
    return Row(str(arm.way), f"{arm.errors} failed", f"{arm.way}: {why(arm)}", 0)
