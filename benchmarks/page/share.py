"""Requests per pod against the fair share: a dot for each pod, and a line at 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.page.arms import Arm
from benchmarks.page.drawing import FAINT, INK, SERIES, Band, Row, sheet
from benchmarks.result import Run


def draw(arms: Sequence[Arm], furthest: float) -> tuple[Figure, list[Row], list[Band]] | None:
    """A row of dots for each arm, to `furthest` times the fair share; None where no arm has any."""
    shown = [(arm, shares) for arm in arms if (run := arm.typical) and (shares := per_pod(run))]
    if not shown:
        return None
    given = [_row(arm, shares) for arm, shares in shown]
    figure, axes, placed = sheet(given, "times the fair share")
    axes.set_xlim(-0.04 * furthest, 1.04 * furthest)
    for (_, shares), band in zip(shown, placed, strict=True):
        axes.plot([1, 1], [band.top, band.bottom], color=INK, linewidth=1.5, clip_on=False)
        axes.plot([0, furthest], [band.middle, band.middle], color=FAINT, linewidth=0.5, clip_on=False)
        distinct = sorted({round(share / furthest, 2) * furthest for share in shares})
        axes.plot(
            distinct,
            [band.middle] * len(distinct),
            "o",
            color=SERIES[0],
            markersize=6,
            alpha=0.75,
            markeredgewidth=0,
            clip_on=False,
        )
    return figure, given, placed


def per_pod(run: Run) -> list[float]:
    """Each pod's requests over the mean: of the whole run, or where there was an event, of what came after it.

    It begins as late as the balance in the result does, to the interval of the course of time.
    """
    counts = list((run.by_backend or {}).values())
    if run.events and run.timeline:
        waited = (run.reaction and run.reaction.fair_share_ms) or 0.0
        first = math.ceil((run.events[0].at_s + waited / 1000) / run.timeline.interval_s)
        after = [sum(series[first:]) for series in run.timeline.by_backend.values()]
        counts = after if sum(after) else counts
    mean = sum(counts) / len(counts) if counts else 0
    return [count / mean for count in counts] if mean else []


def furthest(arms: Sequence[Arm]) -> float:
    """How far the axis of all figures of a scenario goes."""
    return max([2.0, *(share for arm in arms if (run := arm.typical) for share in per_pod(run))])


def finding(arms: Sequence[Arm]) -> str:
    """Which arm is the most even and which the least, in a sentence."""
    busiest = {str(arm.way): spread.median for arm in arms if (spread := arm.spread(lambda run: run.max_over_mean))}
    if not busiest:
        return "Requests per pod: nothing was answered."
    least, most = min(busiest, key=lambda way: busiest[way]), max(busiest, key=lambda way: busiest[way])
    text = f"Requests per pod: the busiest pod got {busiest[least]:.2f} times its fair share with {least}"
    return f"{text}, and {busiest[most]:.2f} times with {most}." if least != most else f"{text}."


def _row(arm: Arm, shares: Sequence[float]) -> Row:
    run = arm.typical
    assert run is not None
    busiest = arm.spread(lambda run: run.max_over_mean)
    idle = sum(share == 0 for share in shares)
    most = f"{busiest.median if busiest else max(shares):.2f}"
    after = " after the event" if run.events else ""
    floor = (
        f"; they vary by {run.cv:.3f} (CV), and picking at random alone would bring {run.noise_floor_cv:.3f}"
        if run.cv is not None and run.noise_floor_cv is not None
        else ""
    )
    tip = (
        f"{arm.way}: the busiest of {len(shares)} pods got {most} times its fair share"
        f"{after}, {idle} got nothing{floor}"
    )
    return Row(str(arm.way), most + (f", {idle} idle" if idle else ""), tip, 12)
