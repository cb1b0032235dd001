"""What the reader sees: a table for each cell, and a line for each target."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from benchmarks.overheads.comparison import Comparison
from benchmarks.overheads.targets import Verdict


def table(comparison: Comparison) -> Table:
    """The arms, and their ratios to the first."""
    shown = Table(title=str(comparison.cell), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    shown.add_column("")
    for heading in ("calls/s", "CPU us", "p50 us", "p99 us", "throughput x", "CPU x", "p99 x", "errors"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for arm in comparison.bursts:
        shown.add_row(
            arm,
            *(f"{comparison.median(measure, arm):.0f}" for measure in ("throughput", "cpu_us", "p50_us", "p99_us")),
            *_ratios(comparison, arm),
            f"{comparison.errors(arm) or ''}",
        )
    return shown


def _ratios(comparison: Comparison, arm: str) -> list[str]:
    if arm == comparison.reference:
        return ["1", "1", "1"]
    return [str(comparison.ratio(measure, arm, comparison.reference)) for measure in ("throughput", "cpu_us", "p99_us")]


def line(verdict: Verdict) -> Text:
    """A verdict with its colour."""
    return Text.assemble(("● ", "green" if verdict.met else "red"), str(verdict))
