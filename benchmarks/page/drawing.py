"""What all figures share: narrow enough for a phone, colours that follow the page, a label and a number on each row.

A unit of the drawing is a pixel of the page. A row is its label on the left and its number on the right, and beneath
them its marks, so that no label meets another however long names are.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.page.markup import Markup, join, tag
from benchmarks.page.slim import slim

WIDTH = 320
SIZE = 11
MARGIN = 14
FOOT = 38
SERIES = ("C0", "C1", "C2", "C3", "C4", "C5", "C6")
INK, FAINT, EVENT = "C7", "C8", "C9"
"""Places in a palette: a page shows them as `style.css` says for the reader's setting, a picture as PAPER says."""
STYLES = ("-", (0, (6, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1.5)), (0, (8, 2, 1, 2, 1, 2)))

Palette = Sequence[str]
PAGE: Palette = [f"#0a0{place}0{place}" for place in range(10)]
"""Stand-ins for the page's variables."""
PAPER: Palette = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1b1f24"),
    *("#1b1f24", "#8c939b", "#b34700"),
)
"""Okabe's and Ito's colours, on white."""

_LABEL = 15
_GAP = 7
_LONGEST = 27


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a figure: `number` is its finding in a few letters, `tip` explains it in a sentence."""

    label: str
    number: str
    tip: str
    height: int


@dataclass(frozen=True, slots=True)
class Band:
    """Where the marks of a row are, in pixels from the top of the figure."""

    top: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def style(palette: Palette) -> Any:
    """The settings under which figures are made and written."""
    ink, faint = (palette[int(colour[1])] for colour in (INK, FAINT))
    return mpl.rc_context(
        {
            "svg.fonttype": "none",
            "font.family": "DejaVu Sans",
            "font.size": SIZE,
            "axes.prop_cycle": cycler(color=palette),
            "axes.linewidth": 0.8,
            **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), ink),
            **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), faint),
        }
    )


def bands(rows: Sequence[Row], top: float) -> list[Band]:
    """Where each row has its marks if the first begins at `top`."""
    found = []
    for row in rows:
        found.append(Band(top + _LABEL, top + _LABEL + row.height))
        top = found[-1].bottom + _GAP
    return found


def sheet(rows: Sequence[Row], xlabel: str, *, head: int = 0) -> tuple[Figure, Axes, list[Band]]:
    """An empty figure of rows, below `head` pixels of something else; the y axis of its axes is in pixels."""
    placed = bands(rows, head)
    bottom = placed[-1].bottom + 4
    height = bottom + FOOT
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    axes = figure.add_axes((MARGIN / WIDTH, FOOT / height, (WIDTH - 2 * MARGIN) / WIDTH, bottom / height))
    axes.set_ylim(bottom, 0)
    axes.set_yticks([])
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.set_xlabel(xlabel, labelpad=4)
    axes.tick_params(axis="x", length=0, pad=6)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.patch.set_visible(False)
    label(axes, rows, placed, 0)
    return figure, axes, placed


def label(axes: Axes, rows: Sequence[Row], placed: Sequence[Band], indent: float) -> None:
    """Write what the rows are called, `indent` of the width from the left, and their numbers."""
    across = axes.get_yaxis_transform()
    for row, band in zip(rows, placed, strict=True):
        base = band.top - 4
        axes.text(indent, base, short(row.label), transform=across, va="baseline", parse_math=False)
        axes.text(1, base, row.number, transform=across, va="baseline", ha="right", parse_math=False)


def short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def inline(figure: Figure, rows: Sequence[Row], placed: Sequence[Band], name: str, labelled_by: str) -> Markup:
    """The figure for a page, with a field on each row that explains it. `name` is one of a kind on the page.

    labelled_by  the id of the text that says what it shows
    """
    with io.StringIO() as file:
        figure.patch.set_visible(False)
        with mpl.rc_context({"svg.hashsalt": name}):
            figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        text = file.getvalue()
    width, height = (round(length * 72) for length in figure.get_size_inches())
    return Markup(
        f'<svg class="plot" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="group" '
        f'data-rove="" aria-labelledby="{labelled_by}">{_coloured(slim(text, name))}{_fields(rows, placed)}</svg>'
    )


def _fields(rows: Sequence[Row], placed: Sequence[Band]) -> Markup:
    return join(
        tag(
            "rect",
            tag("title", row.tip),
            y=round(band.top - _LABEL),
            height=round(band.bottom - band.top + _LABEL + 3),
        )
        for row, band in zip(rows, placed, strict=True)
    )


def _coloured(svg: str) -> str:
    """The page's own colours in place of those that stand for them."""
    for place, colour in enumerate(PAGE):
        svg = svg.replace(colour, f"var(--c{place})")
    return svg
