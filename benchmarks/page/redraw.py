"""`python -m benchmarks.compare --from result.json`: the report again, without measuring anything."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.result import Result
from services.options import Parser

PROGRAM = "benchmarks.compare"

EPILOG = """\
examples
  python -m benchmarks.compare --from results/2026-01-31-120000/result.json
  python -m benchmarks.compare --from result.json --png picture.png --markdown numbers.md

exit status
  0 all is written; 2 wrong options, or no such file
"""


def asked(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for this, and not for a run."""
    return any(argument.partition("=")[0] == "--from" for argument in arguments)


def redraw(arguments: Sequence[str]) -> int:
    """Write report.html beside the result, or what is asked for in its place; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        result = Result.read(given.result)
        if not result.runs:
            parser.error(f"argument --from: {given.result} has no runs: measure something first")
        for path in _write(result, given):
            print(path)
    except OSError as error:
        print(f"{PROGRAM}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    return 0


def _write(result: Result, given: argparse.Namespace) -> list[Path]:
    from benchmarks.page import document, markdown, picture  # noqa: PLC0415 - a wrong option need not wait for matplotlib

    if given.png:
        picture.write(result, given.png)
    if given.markdown:
        markdown.write(result, given.markdown)
    written: list[Path] = [path for path in (given.png, given.markdown) if path]
    return written or [document.write(result, given.result.parent)]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        usage="python -m benchmarks.compare --from result.json [--png FILE] [--markdown FILE]",
        description="Redraw the report of a result: report.html beside it, or the files that are asked for.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--from", dest="result", type=Path, required=True, metavar="FILE", help="a result.json")
    add("--png", type=Path, metavar="FILE", help="for the picture of the page's top")
    add(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="for the verdicts and tables: between the lines that mark their place, if the file has such, else alone",
    )
    return parser
