"""Charts as SVG files that can be read on a light page and on a dark one, by the colour-blind too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.simulation.findings import Chart

COLOURS = ("#1E7FC2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
"""Okabe's and Ito's, less those that vanish on white or on black, and with a lighter blue."""
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
GREY = "#808080"
"""As far from white as from black."""


def draw(chart: Chart, folder: Path) -> None:
    """Write it into the folder, the same bytes each time."""
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": chart.name,
        "font.family": "sans-serif",
        "font.size": 9,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), GREY),
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(6.4, 3.0), layout="constrained")
        _plot(figure.add_subplot(), chart)
        figure.savefig(folder / f"{chart.name}.svg", transparent=True, metadata={"Date": None, "Creator": None})


def _plot(axes: Axes, chart: Chart) -> None:
    for number, line in enumerate(chart.lines):
        axes.plot(line.xs, line.ys, color=COLOURS[number], linestyle=STYLES[number], label=line.label)
    if chart.level is not None:
        axes.axhline(chart.level, color=GREY, linewidth=0.8)
    if chart.log_x:
        axes.set_xscale("log")
    if chart.log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, handlelength=3.2)
