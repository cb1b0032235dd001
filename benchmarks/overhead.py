"""`python -m benchmarks.overhead`: what our clients cost against those that they are made of."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NoReturn

from services.options import Parser

MODULE = "benchmarks.overhead"
SCHEMA = 1
PACKAGES = ("grpcio", "httpx", "httpcore", "aiohttp", "httpx-aiohttp")

DESCRIPTION = """\
Measure what a call through discovery costs its client, beside the same call through grpcio, httpx and aiohttp alone.

Each arm is a process of its own. They take turns in bursts of 0.3 s in an order that changes with each round, and
what is told is the median of the rounds' ratios, with its 95 % interval. "The same again" is the first arm once more:
what it differs by is the noise of the machine. The server is one that costs little, so that the client is measured.
"""

EPILOG = """\
exit status
  0 every target is met; 1 some are not, or calls failed: a line for each; 2 wrong options; 130, 143 interrupted
"""


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read and check the command line; a mistake ends the process with status 2 and one line."""
    parser = Parser(
        prog=MODULE, description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("protocols", nargs="*", metavar="PROTOCOL", help="grpc, http (both); either takes some four minutes")
    add("--quick", action="store_true", help="seconds: it shows that it works, and measures nothing")
    add("--json", type=Path, metavar="FILE", help="write all numbers there")
    given = parser.parse_args(arguments)
    given.protocols = tuple(dict.fromkeys(given.protocols)) or ("grpc", "http")
    for protocol in given.protocols:
        if protocol not in {"grpc", "http"}:
            parser.error(f"there is no protocol {protocol!r}: choose from grpc, http")
    if given.json and not os.access(given.json if given.json.exists() else given.json.absolute().parent, os.W_OK):
        parser.error(f"argument --json: {given.json} cannot be written; name a file in a folder that exists")
    return given


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; returns the exit status."""
    given = options(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return _run(given, shlex.join(["python", "-m", MODULE, *arguments]))
    except KeyboardInterrupt:
        print(f"{MODULE}: interrupted", file=sys.stderr)
        return 130


def _terminate(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _run(given: argparse.Namespace, command: str) -> int:
    # Half a second of imports that a wrong option need not wait for.
    from rich.console import Console  # noqa: PLC0415

    from benchmarks.overheads import client, rounds  # noqa: PLC0415
    from benchmarks.overheads.comparison import Comparison  # noqa: PLC0415
    from benchmarks.overheads.progress import Progress  # noqa: PLC0415
    from benchmarks.overheads.server import Server  # noqa: PLC0415
    from benchmarks.overheads.table import line, table  # noqa: PLC0415
    from benchmarks.overheads.targets import judge  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else 140)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([client.__name__])
    forkserver.ensure_running()
    plan = rounds.QUICK if given.quick else rounds.FULL
    started, load = datetime.now(UTC).isoformat(timespec="seconds"), os.getloadavg()[0]
    cells: list[dict[str, Any]] = []
    missed: list[str] = []
    with Progress(sum(len(rounds.CELLS[each]) for each in given.protocols)) as progress:
        for protocol in given.protocols:
            with Server(protocol, rounds.ENDPOINTS[protocol], processes) as server:
                for cell in rounds.CELLS[protocol]:
                    progress.begin(cell)
                    bursts = rounds.measure(cell, plan, server.addresses, processes, progress.advance)
                    comparison = Comparison(cell, dict(bursts))
                    verdicts = list(judge(comparison))
                    console.print(table(comparison))
                    for verdict in verdicts:
                        console.print(line(verdict), soft_wrap=True)
                    missed += [f"missed: {verdict}" for verdict in verdicts if not verdict.met]
                    missed += [f"failed: {each}" for each in comparison.failures()]
                    cells.append({**comparison.as_json(), "targets": [asdict(verdict) for verdict in verdicts]})
    if given.json:
        result = {"schema": SCHEMA, "started": started, "command": command, "load_average": load}
        given.json.write_text(json.dumps({**result, "environment": _environment(), "cells": cells}, indent=1) + "\n")
    for each in missed:
        print(f"{MODULE}: {each}", file=sys.stderr)
    return 1 if missed else 0


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
