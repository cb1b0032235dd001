"""`python -m benchmarks.micro`: measure what the library itself costs."""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyperf
from rich.console import Console
from rich.progress import Progress

from benchmarks.micro.blocks import measured, names
from benchmarks.micro.report import report
from services.options import Parser, between

MODULE = "benchmarks.micro"

DESCRIPTION = """\
Measure what the library itself costs: a pick and its end for each policy among 3, 100 and 10,000 endpoints, alone and
with 8 threads, and changes of a large set. Compare the numbers with targets.

Sizes take their turns within a policy, so that what else the machine does befalls all of them alike; several processes
are measured, as the layout of memory differs between them.
"""

EPILOG = """\
The file is pyperf's: `python -m pyperf compare_to before.json after.json` compares two of them.

exit status
  0 all targets are met; 1 one is missed; 2 wrong options; 130 interrupted
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; a mistake ends the process with status 2 and one line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog=MODULE, description=DESCRIPTION, epilog=EPILOG, formatter_class=raw)
    parser.add_argument("--json", type=_writable, metavar="FILE", help="for all values")
    parser.add_argument("--processes", type=between(1, 100), default=4, help="to measure (%(default)s)")
    parser.add_argument("--rounds", type=between(1, 1000), default=10, help="of each process (%(default)s)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _writable(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written; give a file in a folder that exists")
    return path


def main(arguments: Sequence[str]) -> int:
    """Measure, write, and report; returns the exit status."""
    given = parse(arguments)
    if given.worker:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is for both, and one of them says so
        for name, seconds in measured(given.rounds):
            print(json.dumps([name, seconds]), flush=True)
        return 0
    console = Console(width=None if sys.stdout.isatty() else 130)
    try:
        runs = _measure(console, given.processes, given.rounds)
    except KeyboardInterrupt:
        return 130
    if given.json:
        _suite(runs).dump(str(given.json), replace=True)
        console.print(f"All values are in {given.json}", soft_wrap=True)
    return 0 if report({name: [*itertools.chain(*values)] for name, values in runs.items()}, console) else 1


def _measure(console: Console, processes: int, rounds: int) -> Mapping[str, list[list[float]]]:
    """The values of each block, a list for each process."""
    runs = collections.defaultdict[str, list[list[float]]](list)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=processes * len(names()))
        if not console.is_terminal:
            console.print(f"{processes} processes measure one after the other, each for about a quarter of a minute.")
        for number in range(1, processes + 1):
            for name, values in _worker(rounds):
                runs[name].append(values)
                progress.update(task, advance=1, description=name)
            if not console.is_terminal:
                console.print(f"{number}/{processes} measured")
    return runs


def _worker(rounds: int) -> Iterator[tuple[str, list[float]]]:
    """What one more process measures, as it does."""
    command = [sys.executable, "-m", MODULE, "--worker", "--rounds", str(rounds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                yield tuple(json.loads(line))
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise SystemExit(f"{MODULE}: a process that measures ended with status {process.returncode}")


def _suite(runs: Mapping[str, list[list[float]]]) -> pyperf.BenchmarkSuite:
    return pyperf.BenchmarkSuite(
        [
            pyperf.Benchmark([pyperf.Run(values, metadata={"name": name}) for values in processes])
            for name, processes in runs.items()
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
