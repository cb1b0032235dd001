"""Pod by time: how many requests a second each pod answered, and when. The picture of the comparison."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.page.arms import Arm
from benchmarks.page.drawing import FAINT, Band, Row, sheet
from benchmarks.page.events import HEAD, first_of_each, mark, name
from benchmarks.result import Run, Timeline

COLOURS = "cividis"
"""Made for the colour-blind, and as a photocopy it goes from dark to light."""
COLUMNS = 100
SHADES = 16


def rows(arms: Sequence[Arm]) -> list[Row]:
    """A row for each arm that has a course of time."""
    return [_row(arm, run, run.timeline) for arm in arms if (run := arm.typical) and run.timeline]


def draw(arms: Sequence[Arm]) -> tuple[Figure, list[Row], list[Band]] | None:
    """A strip of pods by time for each arm; None where no arm has one."""
    shown = [run for arm in arms if (run := arm.typical) and run.timeline]
    if not shown:
        return None
    given = rows(arms)
    events = first_of_each(shown[0].events)
    figure, axes, placed = sheet(given, "seconds", head=HEAD * len(events))
    axes.set_xlim(0, max(max(run.duration_s, _length_s(run.timeline)) for run in shown if run.timeline))
    for run, band in zip(shown, placed, strict=True):
        _strip(axes, run, band)
        mark(axes, first_of_each(run.events), band)
    name(axes, events)
    return figure, given, placed


def finding(arms: Sequence[Arm]) -> str:
    """What the strips show, in a sentence."""
    said = [f"{row.label}: {row.number}" for row in rows(arms)]
    return "Requests per pod over time. " + "; ".join(said)


def fair_rps(run: Run) -> float:
    """What each of the first pods gets where all get the same."""
    return run.offered_rps / run.replicas


def _row(arm: Arm, run: Run, timeline: Timeline) -> Row:
    pods = len(timeline.by_backend)
    busy = sum(any(counts) for counts in timeline.by_backend.values())
    event = "".join(f"; {event.what} after {event.at_s:.1f} s" for event in first_of_each(run.events))
    answers = sum((run.by_backend or {}).values())
    tip = f"{arm.way}: of {pods} pods, a line for each, {busy} gave {answers} answers in {run.duration_s:g} s{event}"
    return Row(str(arm.way), f"{busy} of {pods} pods", tip, min(90, max(24, pods * 5)))


def _length_s(timeline: Timeline) -> float:
    """Longer than requests were due, where the client fell behind."""
    return timeline.interval_s * max((len(counts) for counts in timeline.by_backend.values()), default=0)


def _strip(axes: Axes, run: Run, band: Band) -> None:
    assert run.timeline is not None
    counts = np.array(list(run.timeline.by_backend.values()), dtype=float)
    step = -(-counts.shape[1] // COLUMNS)
    padded = np.pad(counts, ((0, 0), (0, -counts.shape[1] % step)))
    rates = padded.reshape(len(counts), -1, step).sum(axis=2) / (step * run.timeline.interval_s)
    until = rates.shape[1] * step * run.timeline.interval_s
    limit = axes.get_xlim()
    axes.imshow(
        mpl.colormaps[COLOURS](np.round(np.clip(rates / (2 * fair_rps(run)), 0, 1) * SHADES) / SHADES)
        * _where(rates > 0),
        extent=(0, until, band.bottom, band.top),
        aspect="auto",
        interpolation="none",
    )
    axes.set_xlim(*limit)
    axes.set_ylim(axes.get_ylim()[0], 0)
    edges = ([0, limit[1], limit[1], 0, 0], [band.top, band.top, band.bottom, band.bottom, band.top])
    axes.plot(*edges, color=FAINT, linewidth=0.6, clip_on=False)


def _where(some: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Opaque where there was something."""
    seen = np.ones((*some.shape, 4))
    seen[..., 3] = some
    return seen
