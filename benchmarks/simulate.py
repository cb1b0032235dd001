"""`python -m benchmarks.simulate`: the command line of the simulation."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.simulation import page, scenarios
from benchmarks.simulation.findings import Findings
from benchmarks.simulation.report import report
from services.options import Parser, between

MODULE = "benchmarks.simulate"
SCHEMA = 1

DESCRIPTION = """\
Have the real pool and policies pick among simulated endpoints, in simulated time, and check what they promise: where
requests go as endpoints are slow, fail, come, go or recover, and how long the answers take.
"""

EPILOG = """\
examples
  python -m benchmarks.simulate --quick
  python -m benchmarks.simulate --scenarios slow failing --seed 7
  python -m benchmarks.simulate --docs docs

exit status
  0 all that is expected holds; 1 something does not, each in a line on stderr; 2 wrong options; 130 interrupted
"""


@dataclass(frozen=True, slots=True)
class Options:
    """json, docs  where to write to, if anywhere"""

    scenarios: tuple[str, ...]
    seed: int
    quick: bool
    json: Path | None
    docs: Path | None


def options(arguments: Sequence[str]) -> Options:
    """Read and check the command line; a mistake ends the process with status 2 and one line."""
    parser = Parser(
        prog=MODULE,
        usage="python -m benchmarks.simulate [--quick] [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = scenarios.names()
    add("--quick", action="store_true", help="seconds instead of minutes: shorter runs, and fewer of them")
    add(
        "--scenarios",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"some of: {', '.join(names)} (all)",
    )
    add(
        "--seed", type=between(0, 2**31), default=1, metavar="NUMBER", help="another one is another world (%(default)s)"
    )
    add("--json", type=Path, metavar="FILE", help="for every number")
    add("--docs", type=Path, metavar="FOLDER", help="for simulation.md and images/, of a whole run")
    given = parser.parse_args(arguments)
    if given.docs and (given.quick or set(given.scenarios) != set(names)):
        parser.error("argument --docs: the page is that of a whole run: leave out --quick and --scenarios")
    for option, folder in (("--json", given.json and given.json.absolute().parent), ("--docs", given.docs)):
        if folder and not folder.is_dir():
            parser.error(f"argument {option}: there is no folder {folder}; make it first")
    return Options(tuple(dict.fromkeys(given.scenarios)), given.seed, given.quick, given.json, given.docs)


def main(arguments: Sequence[str]) -> int:
    """Simulate and report; returns the exit status."""
    checked = options(arguments)
    try:
        found = _run(checked)
    except KeyboardInterrupt:
        print(f"{MODULE}: interrupted", file=sys.stderr)
        return 130
    if checked.json:
        checked.json.write_text(json.dumps(_as_json(checked, found), indent=1) + "\n", encoding="utf-8")
    if checked.docs:
        print(f"\nWritten: {page.write(checked.docs, found)}")
    return _judge(found)


def _run(checked: Options) -> Mapping[str, Findings]:
    console = Console(width=None if sys.stdout.isatty() else 130)
    found = {}
    with _bar() as bar:
        task = bar.add_task("", total=len(checked.scenarios))
        for number, name in enumerate(checked.scenarios, start=1):
            if bar.disable:
                print(f"{number}/{len(checked.scenarios)} {name}", file=sys.stderr, flush=True)

            def tell(what: str, name: str = name) -> None:
                bar.update(task, description=f"{name}: {what}")

            scenario = scenarios.find(name)
            found[name] = scenario.play(scenarios.Setting(checked.seed, checked.quick, tell))
            bar.advance(task)
            report(scenario.title, found[name], console)
    return found


def _bar() -> Progress:
    """On stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _as_json(checked: Options, found: Mapping[str, Findings]) -> Mapping[str, object]:
    return {
        "schema": SCHEMA,
        "python": platform.python_version(),
        "seed": checked.seed,
        "quick": checked.quick,
        "scenarios": {name: asdict(findings) for name, findings in found.items()},
    }


def _judge(found: Mapping[str, Findings]) -> int:
    broken = [
        f"{name}: {expectation}"
        for name, findings in found.items()
        for expectation in findings.expectations
        if not expectation.holds
    ]
    for line in broken:
        print(f"{MODULE}: broken: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
