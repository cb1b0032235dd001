"""What the reader sees while it runs: bars on a terminal, for the whole and for each pod; a line per arm elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.progress_bar import ProgressBar
from rich.table import Table

from benchmarks.arm import Arm
from benchmarks.live import Counts
from benchmarks.plan import Options, expected_s, expected_total_s
from benchmarks.report import verdict
from benchmarks.result import Run
from benchmarks.scenarios import Scenario

_PODS_SHOWN = 12


class Progress:
    """The state of a command that has `arms` to run, shown on the console while the context lasts.

    already     how many arms a command before has run
    scenario    by its name
    """

    def __init__(
        self, console: Console, options: Options, arms: Sequence[Arm], already: int, scenario: Callable[[str], Scenario]
    ) -> None:
        self._console = console
        self._options = options
        self._scenario = scenario
        self._total = already + len(arms)
        self._done = already
        self._left_s = expected_total_s(options, arms, scenario)
        self._begins = f"{already} of {self._total} arms are there; " if already else ""
        self._begins += f"{len(arms)} {'arm' if len(arms) == 1 else 'arms'} to run, about {duration(self._left_s)}."
        self._answers: Counter[str] = Counter()
        self._errors = 0
        self._bar = Bar(
            SpinnerColumn(),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.description}"),
            console=console,
        )
        self._task = self._bar.add_task(
            "the cluster and its pods start", total=self._total, completed=already, left=self._left()
        )
        self._live = Live(self._bar, console=console, transient=True, refresh_per_second=8)

    @property
    def live(self) -> bool:
        """Whether there is somebody to see what happens within an arm."""
        return self._console.is_terminal

    def __enter__(self) -> Self:
        self._console.print(self._begins, highlight=False)
        if self.live:
            self._live.start()
        else:
            self._console.print("The cluster and its pods start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begin(self, arm: Arm) -> None:
        self._answers.clear()
        self._errors = 0
        self._arm_s = expected_s(self._options, self._scenario(arm.scenario))
        self._bar.update(self._task, description=str(arm), left=self._left())
        self._show()

    def count(self, counts: Counts) -> None:
        """Add what a client has just told."""
        self._answers.update(counts.by_backend)
        self._errors += counts.errors
        self._show()

    def end(self, run: Run) -> None:
        self._done += 1
        self._left_s -= self._arm_s
        self._bar.update(self._task, completed=self._done, left=self._left())
        if not self.live:
            self._console.print(
                f"{self._done:3}/{self._total} {run.scenario}: {verdict(run).text}", markup=False, soft_wrap=True
            )

    def _left(self) -> str:
        return f"{duration(self._left_s)} left"

    def _show(self) -> None:
        self._live.update(Group(self._bar, pod_bars(self._answers, self._errors)))


def pod_bars(answers: Counter[str], errors: int) -> RenderableType:
    """A bar for each pod that has answered, the busiest the longest; and the failures, if any."""
    most = max(answers.values(), default=1)
    bars = Table.grid(padding=(0, 1))
    for pod in sorted(answers, key=lambda name: (len(name), name))[:_PODS_SHOWN]:
        bars.add_row(pod, ProgressBar(total=most, completed=answers[pod], width=40), str(answers[pod]))
    if len(answers) > _PODS_SHOWN:
        bars.add_row("", f"and {len(answers) - _PODS_SHOWN} more pods")
    if errors:
        bars.add_row("[red]failed[/]", "", f"[red]{errors}[/]")
    return bars


def duration(seconds: float) -> str:
    """As a reader says it: "40 s", "5 min 20 s", "3 h 10 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest_s = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest_s // 10 * 10} s"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min"
