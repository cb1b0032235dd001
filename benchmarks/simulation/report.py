"""Findings on a terminal: a table, and a line for each expectation."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.simulation.findings import Findings, text


def report(title: str, findings: Findings, console: Console) -> None:
    """Print them."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(findings.table.columns):
        words = isinstance(findings.table.rows[0][number], str)
        table.add_column(column, justify="left" if words else "right", no_wrap=True)
    for row in findings.table.rows:
        table.add_row(*map(text, row))
    console.print()
    console.print(table)
    for expectation in findings.expectations:
        style = "green" if expectation.holds else "red"
        console.print(Text.assemble(("● ", style), str(expectation)), soft_wrap=True)
