"""`python -m benchmarks.compare diff A B`: what changed between two results, and whether it is more than noise."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.arm import Key, named
from benchmarks.changes import ENOUGH, Change, Comparison, compare
from benchmarks.metrics import METRICS, Metric
from benchmarks.result import Result
from benchmarks.statistics import Interval
from services.options import Parser

PROG = "benchmarks.compare diff"

DESCRIPTION = """\
Tell what changed from one result to another, arm by arm, and whether it is more than noise.

A change counts if it is over 5 % beyond what repeats of the same arm differ by, less what happened to the other arms in
the same repeats. What all arms have in common counts from 25 % on, since a whole command is but one sample of how fast
the machine was. All the comparisons together raise a false alarm in one pair of results of the
same code in twenty at most (Holm's correction). It takes two repeats of an arm on each side, and three for most.
Results of different environments, or of other loads, are refused.
"""

EXAMPLES = """\
examples
  python -m benchmarks.compare diff results/before results/after
  python -m benchmarks.compare diff before.json after.json

exit status
  0 nothing is beyond noise; 1 something is, or an arm fails now; 2 wrong input
"""


def main(arguments: Sequence[str]) -> int:
    """Read, compare, print; returns the exit status."""
    parser = Parser(
        prog=PROG,
        usage="python -m benchmarks.compare diff A B",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", metavar="A", type=Path, help="a result.json, or the folder that holds it")
    parser.add_argument("after", metavar="B", type=Path, help="likewise")
    given = parser.parse_args(arguments)
    try:
        found = compare(_read(given.before), _read(given.after))
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        parser.error(str(error))
    if not found.changes and not found.lost:
        parser.error(_nothing_to_compare(found))
    print_changes(found, Console(width=None if sys.stdout.isatty() else 150))
    return 1 if found.news or found.lost else 0


def _read(path: Path) -> Result:
    return Result.read(path / "result.json" if path.is_dir() else path)


def _nothing_to_compare(found: Comparison) -> str:
    if found.too_few:
        return f"no arm has {ENOUGH} repeats on both sides, without which noise is unknown: measure with --repeats 3"
    return "the two results have no arm in common that gave numbers in both"


def print_changes(found: Comparison, console: Console) -> None:
    """A table of all changes, those beyond noise marked; a line for each of them; and what could have been seen."""
    console.print(_table(found))
    for change in found.news:
        console.print(Text.assemble(("● ", "bold"), _sentence(change)), soft_wrap=True)
    for key in found.lost:
        console.print(
            Text.assemble(("● ", "red"), f"{name(key)}: it gave numbers before, and fails now"), soft_wrap=True
        )
    for key, (before, after) in found.too_few.items():
        console.print(
            f"{name(key)}: {before} and {after} repeats: too few to tell a change from noise",
            markup=False,
            soft_wrap=True,
        )
    for key in found.alone:
        console.print(f"{name(key)}: only one of the results has it", markup=False, soft_wrap=True)
    compared = f"{len(found.changes)} comparisons of {len({change.arm for change in found.changes} - {None})} arms"
    beyond = f"{len(found.news)} beyond noise" if found.news else "nothing is beyond noise"
    console.print(f"\n{compared}: {beyond}.", highlight=False)
    if found.changes:
        console.print(
            f"A change of one arm would have been, in half of the arms, from: {_visible(found)}.",
            highlight=False,
            soft_wrap=True,
        )


def name(key: Key) -> str:
    """An arm, as a reader calls it."""
    per_request = ", reconnecting" if key.mode == "per-request" else ""
    return f"{key.scenario}: {named(key.strategy, key.variant)} {key.wire} {key.client}{per_request}"


def _table(found: Comparison) -> Table:
    used = [metric for metric in METRICS if any(change.metric.name == metric.name for change in found.changes)]
    table = Table(box=box.SIMPLE_HEAD, title="Changes from A to B; * is beyond noise", title_justify="left")
    table.add_column("arm", no_wrap=True)
    for metric in used:
        table.add_column(metric.name.replace(" ", "\n", 1), justify="right", no_wrap=True)
    cells = {(change.arm, change.metric.name): _cell(change) for change in found.changes}
    for arm in dict.fromkeys(change.arm for change in sorted(found.changes, key=lambda change: change.arm is None)):
        table.add_row(
            name(arm) if arm else "all arms in common", *(cells.get((arm, metric.name), Text("-")) for metric in used)
        )
    return table


def _cell(change: Change) -> Text:
    text = _amount(change)
    return Text(f"{text} *", style="bold") if change.beyond_noise else Text(text, style="dim")


def _amount(change: Change) -> str:
    """As a percentage; of percentages, as points."""
    if change.metric.unit == "%":
        return f"{change.after.median - change.before.median:+.1f} pt"
    return f"{change.ratio - 1:+.0%}"


def _sentence(change: Change) -> str:
    if change.arm is None:
        return (
            f"all arms: {change.metric.name} {_amount(change)}: something that they share, or the machine itself "
            f"(p {_p(change.p)})"
        )
    before, after = (_interval(each, change.metric) for each in (change.before, change.after))
    return f"{name(change.arm)}: {change.metric.name} {before} -> {after}, {_amount(change)} (p {_p(change.p)})"


def _interval(found: Interval, metric: Metric) -> str:
    return f"{found.median:.4g} ({found.low:.4g} to {found.high:.4g}) {metric.unit}".rstrip()


def _p(p: float) -> str:
    return f"{p:.1g}" if p >= 1e-4 else "< 0.0001"


def _visible(found: Comparison) -> str:
    parts = []
    for metric in METRICS:
        ratios = [found.visible(each) for each in found.changes if each.metric.name == metric.name and each.arm]
        if ratios:
            more = (
                median(ratios) * (1 + metric.offset) - metric.offset - 1 if metric.unit == "%" else median(ratios) - 1
            )
            parts.append(f"{metric.name} {more:.1f} pt" if metric.unit == "%" else f"{metric.name} {more:.0%}")
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
