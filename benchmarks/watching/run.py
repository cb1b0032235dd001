"""The command: it measures, shows how far it is, and reports."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import process
from benchmarks.lab import certificates
from benchmarks.process import ClientError
from benchmarks.watching import client, server
from benchmarks.watching.measurements import FULLY, QUICKLY, Extent, Numbers, measure, steps
from benchmarks.watching.process import Pair
from benchmarks.watching.report import report
from benchmarks.watching.result import SCHEMA, Result, environment, targets

_NAME = "benchmarks.watch"
_LIMIT_S = 60.0
"""For one measurement. The longest takes a quarter of it."""


def run(command: str, *, quick: bool, file: Path | None) -> int:
    """Run everything; returns the exit status.

    0  all targets are met
    1  one is missed, or a measurement failed: which is said
    128 + n  signal n ended it
    """
    signal.signal(signal.SIGTERM, _end)
    here, started = environment(), datetime.now(UTC).isoformat(timespec="seconds")
    try:
        numbers = _measure(QUICKLY if quick else FULLY)
    except ClientError as error:
        print(error.detail, file=sys.stderr, end="\n" if error.detail else "")
        print(f"{_NAME}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{_NAME}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    result = Result(SCHEMA, here, started, command, *numbers, targets(numbers.cpu, numbers.latency))
    report(result, Console(width=None if sys.stdout.isatty() else 130))
    if file:
        result.write(file)
    missed = [target.name for target in result.targets if not target.met]
    for name in missed:
        print(f"{_NAME}: missed: {name}", file=sys.stderr)
    return 1 if missed else 0


def _measure(extent: Extent) -> Numbers:
    console = Console(stderr=True)
    bar = Progress(
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    total, begun = steps(extent), 0
    task = bar.add_task("the processes start", total=total)

    def begin(what: str) -> None:
        nonlocal begun
        begun += 1
        bar.update(task, description=what, completed=begun - 1)
        if not console.is_terminal:
            console.print(f"{begun:3}/{total} {what}", markup=False, highlight=False, soft_wrap=True)

    with TemporaryDirectory() as folder, bar:
        issued = certificates.issue(Path(folder), "127.0.0.1")
        return measure(Pair(process.context([client.__name__, server.__name__]), issued, _LIMIT_S), extent, begin)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
