"""Latency from the time at which a request was due: how much was answered within how long. The tail is drawn out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hdrh.histogram import HdrHistogram
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.page.arms import Arm
from benchmarks.page.drawing import FAINT, Band, Row
from benchmarks.page.lines import chart, look

NINES = {0.0: "0", 1.0: "90 %", 2.0: "99 %", 3.0: "99.9 %", 4.0: "99.99 %"}
STEP = 0.1


def draw(arms: Sequence[Arm], reach: tuple[float, float]) -> tuple[Figure, list[Row], list[Band]] | None:
    """A line for each arm, from the least to the greatest ms of `reach`; None where nothing was answered."""
    shown = [arm for arm in arms if arm.histogram.get_total_count()]
    if not shown:
        return None
    given = [_row(arm) for arm in shown]
    figure, axes, placed = chart(given, "ms, from when it was due")
    highest = 0.0
    for number, arm in enumerate(shown):
        xs, ys = curve(arm.histogram)
        highest = max(highest, ys[-1])
        axes.plot(xs, ys, clip_on=False, **look(number))
    axes.set_xscale("log")
    axes.set_xlim(*reach)
    axes.set_ylim(0, max(2.0, highest) * 1.03)
    axes.set_yticks([nines for nines in NINES if nines <= max(2.0, highest)])
    axes.set_yticklabels([text for nines, text in NINES.items() if nines <= max(2.0, highest)])
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0,) if reach[1] / reach[0] > 400 else (1.0, 3.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
    axes.grid(color=FAINT, linewidth=0.3)
    return figure, given, placed


def curve(histogram: HdrHistogram) -> tuple[list[float], list[float]]:
    """Milliseconds, and the part that was answered within them as a number of nines: 2 is 99 %."""
    total = histogram.get_total_count()
    nines = [step * STEP for step in range(1, math.floor(math.log10(total) / STEP) + 1)] or [STEP]
    parts = {100 * (1 - 10**-each): each for each in nines}
    found = histogram.get_percentile_to_value_dict(list(parts))
    return [found[part] / 1000 for part in parts], list(parts.values())


def reach(arms: Sequence[Arm]) -> tuple[float, float]:
    """From and to how many ms the axis of all figures of a scenario goes."""
    answered = [arm.histogram for arm in arms if arm.histogram.get_total_count()]
    if not answered:
        return 1.0, 10.0
    low = min(histogram.get_min_value() for histogram in answered) / 1000
    high = max(histogram.get_max_value() for histogram in answered) / 1000
    return 10 ** (math.floor(2 * math.log10(low)) / 2), max(10 ** (math.ceil(2 * math.log10(high)) / 2), 3 * low)


def finding(arms: Sequence[Arm]) -> str:
    """Which arm has the shortest tail and which the longest, in a sentence."""
    tails = {
        str(arm.way): arm.histogram.get_value_at_percentile(99) / 1000
        for arm in arms
        if arm.histogram.get_total_count()
    }
    if not tails:
        return "Latency: nothing was answered."
    best, worst = min(tails, key=lambda way: tails[way]), max(tails, key=lambda way: tails[way])
    text = f"Latency: 99 of 100 requests were answered within {_ms(tails[best])} ms with {best}"
    return f"{text}, within {_ms(tails[worst])} ms with {worst}." if best != worst else f"{text}."


def _row(arm: Arm) -> Row:
    p50, p99, p999 = (arm.histogram.get_value_at_percentile(part) / 1000 for part in (50, 99, 99.9))
    tip = (
        f"{arm.way}: of {arm.histogram.get_total_count()} answers half came within {_ms(p50)} ms from when they were "
        f"due, 99 of 100 within {_ms(p99)} ms, 999 of 1000 within {_ms(p999)} ms"
    )
    return Row(str(arm.way), f"p99 {_ms(p99)} ms", tip, 0)


def _ms(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:.0f}"
