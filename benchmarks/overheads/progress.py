"""What the reader sees while it runs, on stderr: a bar on a terminal, a line per cell elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from benchmarks.overheads.rounds import Cell


class Progress:
    """The state of a run of so many cells, shown while the context lasts."""

    def __init__(self, cells: int) -> None:
        self._console = Console(stderr=True)
        columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        self._bar = Bar(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._cells = cells
        self._begun = 0
        self._task = self._bar.add_task("", total=cells)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, cell: Cell) -> None:
        self._begun += 1
        self._bar.update(self._task, description=str(cell), completed=self._begun - 1)
        if not self._console.is_terminal:
            self._console.print(f"{self._begun}/{self._cells} {cell}", markup=False, soft_wrap=True)

    def advance(self, part: float) -> None:
        """So much of the cell is measured."""
        self._bar.update(self._task, completed=self._begun - 1 + part)
