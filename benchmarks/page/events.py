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


def name(axes: Axes, events: Sequence[Event]) -> None:
    """What happens, above the rows, each beside the upper end of its line; y is in pixels from the top."""
    width = axes.get_xlim()[1]
    for number, event in enumerate(events):
        late = event.at_s > width / 2
        base = HEAD * (number + 1) - 4
        _line(axes, event, Band(base - 9, base + 2))
        axes.text(
            event.at_s + (-1 if late else 1) * width / 80,
            base,
            event.what[:40],
            color=EVENT,
            ha="right" if late else "left",
            va="baseline",
            parse_math=False,
        )


def mark(axes: Axes, events: Sequence[Event], band: Band) -> None:
    """A dashed line for each through the marks of a row, past its label."""
    for event in events:
        _line(axes, event, band)


def _line(axes: Axes, event: Event, band: Band) -> None:
    x = [event.at_s, event.at_s]
    axes.plot(x, [band.top, band.bottom], color=EVENT, linewidth=1.4, linestyle=(0, (4, 2)))
