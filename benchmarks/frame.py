"""What every command that measures does around it: Ctrl-C, the record, the report, the exit status."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from rich.console import Console

from benchmarks import plan, strategies
from benchmarks.arm import Arm
from benchmarks.lab.errors import LabError
from benchmarks.plan import Options
from benchmarks.record import Record
from benchmarks.report import broken, report
from benchmarks.result import Environment, Run


async def carry_out(
    options: Options, command: str, environment: Environment, measure: Callable[[Console, Record], Awaitable[None]]
) -> int:
    """Have `measure` add its runs to the record of this command; returns the exit status, as of `run`."""
    console = Console(width=None if sys.stdout.isatty() else 150, stderr=options.json_lines)
    try:
        resumed = Record.resumed(options.output, environment) if options.resume else None
    except (OSError, ValueError) as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        return 2
    record = resumed or Record.new(options.output, command, environment)
    status = 0
    ended_by = _cancel_on_signal()
    try:
        await measure(console, record)
    except asyncio.CancelledError:
        if not ended_by:
            raise
        status = 128 + ended_by[0]
        again = f" Go on with: {record.go_on}" if record.runs else ""
        console.print(f"Interrupted, with {len(record.runs)} arms measured.{again}", markup=False, soft_wrap=True)
    except LabError as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        status = 2
    if record.runs:
        if not options.json_lines:
            report(record.result, console)
        console.print(f"\nEverything measured: {record.file}", markup=False, soft_wrap=True)
        from benchmarks.page import document  # noqa: PLC0415 - matplotlib takes a second that arms need not wait for

        console.print(f"As a page: {document.write(record.result, options.output)}", markup=False, soft_wrap=True)
    return status or _judge(record.runs)


def _cancel_on_signal() -> list[int]:
    """Let SIGINT and SIGTERM cancel the current task, once; returns a list that will hold the signal's number."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    ended_by: list[int] = []

    def end(number: int) -> None:
        if not ended_by:
            ended_by.append(number)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    return ended_by


def _judge(runs: Sequence[Run]) -> int:
    failures = [run for run in runs if run.applicable and (run.status != "ok" or broken(run))]
    if failures:
        print(f"benchmarks.compare: {len(failures)} of {len(runs)} arms failed, see above", file=sys.stderr)
    return 1 if failures else 0


def planned(options: Options) -> tuple[Arm, ...]:
    """Every arm in the order in which it runs; raises LabError where there is none."""
    arms = plan.arms(
        options,
        lambda strategy, wire: strategies.find(strategy).modes(wire),
        lambda strategy: not strategies.find(strategy).l4 and strategies.find(strategy).takes_policy,
    )
    if not arms:
        raise LabError(f"{', '.join(options.strategies)}: none of them serves {' or '.join(options.wires)}")
    return arms
