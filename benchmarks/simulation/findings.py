"""What a scenario gives: tables, charts, and expectations that hold or are broken. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | float
"""Of a table: words, or a number that is shown with three digits."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A number that must not be beyond a bound.

    what      is measured, such as "p99 of least_request / round_robin's"
    at_least  the bound is the least that it may be, rather than the most
    """

    what: str
    number: float
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.number >= self.bound if self.at_least else self.number <= self.bound

    def __str__(self) -> str:
        return f"{self.what}: {text(self.number)}, {'at least' if self.at_least else 'at most'} {text(self.bound)}"


@dataclass(frozen=True, slots=True)
class Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Line:
    """Of a chart: `ys` over `xs`."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture to be drawn.

    name   of its file, without an ending
    alt    what is to be seen, for those who do not see it
    level  where a horizontal line is to show what would be right, if anywhere
    """

    name: str
    alt: str
    x: str
    y: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """Of one scenario.

    details  what the table is a summary of, for the JSON file alone
    """

    table: Table
    expectations: Sequence[Expectation]
    chart: Chart | None = None
    details: Table | None = None


def text(cell: Cell) -> str:
    """As it is shown: whole numbers and large ones in full, others with three digits."""
    if isinstance(cell, str):
        return cell
    if cell == int(cell) or abs(cell) >= 100:
        return f"{cell:.0f}"
    return f"{cell:#.3g}".rstrip(".")
