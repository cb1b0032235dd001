"""The line that marks an event in every figure along time."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from benchmarks.page.drawing import EVENT, Band
from benchmarks.result import Event

HEAD = 15
"""Pixels that the name of an event takes: each has a line of its own, so that none meets another."""


def first_of_each(events: Sequence[Event]) -> list[Event]:
    """The first of those that happen again and again, as pods of a rollout come and go; in the order of time."""
    firsts = {event.what: event for event in sorted(events, key=lambda event: -event.at_s)}
    return sorted(firsts.values(), key=lambda event: event.at_s)


def mark(axes: Axes, events: Sequence[Event], placed: Sequence[Band]) -> None:
    """A dashed line through the marks of each row, past the labels, and the names of the events above."""
    width = axes.get_xlim()[1]
    for number, event in enumerate(events):
        late = event.at_s > width / 2
        base = HEAD * (number + 1) - 4
        x = min(event.at_s, width)
        for band in (Band(base - 9, base + 2), *placed):
            axes.plot([x, x], [band.top, band.bottom], color=EVENT, linewidth=1.4, linestyle=(0, (4, 2)))
        axes.text(
            x + (-1 if late else 1) * width / 80,
            base,
            event.what[:40],
            color=EVENT,
            ha="right" if late else "left",
            va="baseline",
            parse_math=False,
        )
