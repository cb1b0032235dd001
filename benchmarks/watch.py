"""`python -m benchmarks.watch`: the command line of the benchmark of the watch."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from services.options import Parser

MODULE = "benchmarks.watch"

DESCRIPTION = """\
Measure what it costs to watch a Service's EndpointSlices, with ours and with the official package's client side by
side: CPU per event, memory, the time from an event on the wire to the published set, and many idle watches.

The API server is a process of its own on loopback, with TLS; each measurement is another process, and CPU is that of
the client alone. It takes two minutes and a machine with two processors that has nothing else to do.
"""

EXAMPLES = """\
clients
  resolver           ours: the sets that KubernetesResolver.watch() gives
  balancer           ours: the sets that reach the listeners of a Balancer
  official           list_namespaced_endpoint_slice and watch.Watch; slices kept by name, and after each event a list of
                     the ready addresses
  official-raw       the same with dicts in place of the package's objects (deserialize=False)
  official-iterated  watch.Watch, whose events are thrown away

exit status
  0 all targets met; 1 a target missed, or a measurement failed; 2 wrong options; 130, 143 interrupted
"""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=MODULE,
        usage="python -m benchmarks.watch [--quick] [--json FILE]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="ten seconds: too few events to say anything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for all numbers")
    return parser


def _unwritable(file: Path) -> str | None:
    """Why the file cannot be written, or None if it can."""
    if file.is_dir():
        return f"{file} is a folder"
    folder = file.absolute().parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    return None if os.access(file if file.exists() else folder, os.W_OK) else f"{file} cannot be written"


def main(arguments: Sequence[str]) -> int:
    """Check the options, measure everything; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not Path("/proc/self/schedstat").exists():
        parser.error("it reads /proc: run it on Linux")
    if given.json and (trouble := _unwritable(given.json)):
        parser.error(f"argument --json: {trouble}; name a file that can be written")
    from benchmarks.watching.run import run  # noqa: PLC0415 - every client process imports this file, and no more than that

    return run(shlex.join(["python", "-m", MODULE, *arguments]), quick=given.quick, file=given.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
