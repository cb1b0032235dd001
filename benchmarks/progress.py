"""What the reader sees while it runs: a bar on a terminal, a line per arm elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from benchmarks.arm import Arm
from benchmarks.report import verdict
from benchmarks.result import Run


class Progress:
    """The state of a run of `total` arms, shown on the console while the context lasts."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._bar = Bar(
            SpinnerColumn(),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("the cluster and its pods start", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        if not self._console.is_terminal:
            self._console.print("The cluster and its pods start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, arm: Arm) -> None:
        self._bar.update(self._task, description=str(arm))

    def end(self, run: Run) -> None:
        self._done += 1
        self._bar.advance(self._task)
        if not self._console.is_terminal:
            self._console.print(
                f"{self._done:3}/{self._total} {run.scenario}: {verdict(run).text}", markup=False, soft_wrap=True
            )
