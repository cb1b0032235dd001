"""The picture of the page's top as a PNG, for a README or a slide."""

from __future__ import annotations

import io
from pathlib import Path
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imread, imsave

from benchmarks.page import heat
from benchmarks.page.arms import arms, kinds
from benchmarks.page.chapter import title
from benchmarks.page.drawing import MARGIN, PAPER, WIDTH, style
from benchmarks.page.hero import hero
from benchmarks.result import Result

SCALE = 2
HEAD = 24
Pixels = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def write(result: Result, file: Path) -> None:
    """Write it: what happens, then a panel for each kind of client, then what the colours mean."""
    scenario, given = hero(result)
    with style(PAPER):
        panels = [
            np.vstack([_words(str(kind), WIDTH, bold=True), _pixels(drawn[0])])
            for kind in kinds(given)
            if (drawn := heat.draw([arm for arm in given if arm.kind == kind]))
        ]
        if not panels:
            raise ValueError("nothing was measured of which there is a picture")
        height = max(len(panel) for panel in panels)
        middle = np.hstack([_padded(panel, height) for panel in panels])
        run = next(run for arm in arms(result, scenario) for run in arm.measured)
        fair = heat.fair_rps(run)
        scale = (
            f"answers a second of each pod: 0 dark, {fair:.0f} (fair for {run.replicas} pods) grey, "
            f"{2 * fair:.0f} or more bright, none blank"
        )
        width = middle.shape[1] // SCALE
        page = [*_paragraph(title(scenario), width, bold=True), middle, *_paragraph(scale, width)]
    imsave(file, np.vstack(page), format="png")


def _paragraph(text: str, width: int, *, bold: bool = False) -> list[Pixels]:
    return [_words(line, width, bold=bold) for line in wrap(text, int(width / (7.5 if bold else 6.5)))]


def _words(text: str, width: int, *, bold: bool = False) -> Pixels:
    figure = Figure(figsize=(width / 72, HEAD / 72), dpi=72)
    weight = "bold" if bold else "normal"
    figure.text(MARGIN / width, 0.3, text, weight=weight, fontsize=11 if bold else 10, parse_math=False)
    return _pixels(figure)


def _pixels(figure: Figure) -> Pixels:
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=72 * SCALE, facecolor="white")
        file.seek(0)
        return np.asarray(imread(file))[..., :3]


def _padded(panel: Pixels, height: int) -> Pixels:
    return np.pad(panel, ((0, height - len(panel)), (0, 0), (0, 0)), constant_values=1)
