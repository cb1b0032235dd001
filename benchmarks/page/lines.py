"""A chart of lines above a row for each line, which is its legend: colour and dashes differ, never colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.page.drawing import MARGIN, SERIES, STYLES, WIDTH, Band, Row, bands, label

HEIGHT = 170
_LEFT, _FOOT = 52, 44
_HANDLE = 30


def look(number: int) -> dict[str, Any]:
    """How the line of that number is drawn: no two are alike before there are forty."""
    return {
        "color": SERIES[number % len(SERIES)],
        "linestyle": STYLES[(number + number // len(SERIES)) % len(STYLES)],
        "linewidth": 1.6,
    }


def chart(rows: Sequence[Row], xlabel: str, *, head: int = 0) -> tuple[Figure, Axes, list[Band]]:
    """Empty axes, `head` pixels from the top, and the legend beneath them."""
    top = head + HEIGHT + _FOOT
    placed = bands(rows, top)
    height = placed[-1].bottom + 6
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    axes = figure.add_axes(
        (_LEFT / WIDTH, (height - head - HEIGHT) / height, (WIDTH - _LEFT - 16) / WIDTH, (HEIGHT - 6) / height)
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.patch.set_visible(False)
    axes.set_xlabel(xlabel, labelpad=4)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.tick_params(length=0, pad=6)
    axes.tick_params(axis="x", pad=10)
    legend = figure.add_axes((MARGIN / WIDTH, 0, (WIDTH - 2 * MARGIN) / WIDTH, (height - top) / height))
    legend.set_axis_off()
    legend.set_xlim(0, WIDTH - 2 * MARGIN)
    legend.set_ylim(height, top)
    label(legend, rows, placed, _HANDLE / (WIDTH - 2 * MARGIN))
    for number, band in enumerate(placed):
        legend.plot([0, _HANDLE - 6], [band.top - 8, band.top - 8], clip_on=False, **look(number))
    return figure, axes, placed
