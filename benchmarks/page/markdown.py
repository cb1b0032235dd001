"""The verdicts and the tables as Markdown, into a file that has a place for them or a file of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.page import decisions, numbers
from benchmarks.page.arms import Arm, arms, scenario_names
from benchmarks.page.chapter import title
from benchmarks.page.verdicts import verdicts
from benchmarks.plan import FIRST_STRATEGIES
from benchmarks.result import Result

BEGIN, END = "<!-- begin of the comparison -->", "<!-- end of the comparison -->"
DECISIONS = "<!-- begin of the decisions -->", "<!-- end of the decisions -->"
COLUMNS = (
    *("busiest / fair", "idle pods", "connections", "errors", "p50 ms", "p99 ms", "answers / s", "client CPU us"),
    *("first request ms", "fair share ms"),
)
"""What a reader needs first; the page has more."""


def write(result: Result, file: Path) -> None:
    """Put the texts between the lines that mark their places; all of the file is replaced where it has no such lines.

    Where there is a place for the decisions, which are about all ways, the tables are of those to be read first.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    chosen = _between(text, DECISIONS, decided(result))
    whole = _between(chosen or text, (BEGIN, END), render(result, FIRST_STRATEGIES if chosen else ()))
    file.write_text(whole or chosen or render(result), encoding="utf-8")


def _between(text: str, marks: tuple[str, str], new: str) -> str | None:
    before, begin, rest = text.partition(f"{marks[0]}\n")
    _, end, after = rest.partition(marks[1])
    return f"{before}{begin}{new}{end}{after}" if begin and end else None


def render(result: Result, only: Sequence[str] = ()) -> str:
    """The tables of all scenarios, then a verdict for each way; `only` of these strategies, if any are named."""
    if only:
        runs = tuple(run for run in result.runs if run.strategy in only and run.variant is None)
        result = replace(result, runs=runs)
    tables = [_scenario(result, name) for name in scenario_names(result)]
    said = "".join(f"- **{_plain(str(each.way))}**: {_plain(each.sentence)}\n" for each in verdicts(result))
    return "\n".join([*tables, said])


def decided(result: Result) -> str:
    """The table of decisions."""
    rows = [decisions.HEAD, ["---"] * len(decisions.HEAD), *decisions.rows(result)]
    return "".join(_cells([cell if cell == "---" else _plain(cell) for cell in row]) for row in rows)


def _scenario(result: Result, name: str) -> str:
    given = arms(result, name)
    first = given[0].runs[0]
    count = max(len(arm.runs) for arm in given)
    repeats = f", median of {count} runs" if count > 1 else ""
    load = f"{first.replicas} pods, {first.offered_rps:g} requests/s offered for {first.duration_s:g} s{repeats}"
    columns = [number for number in numbers.shown(given) if number.name in COLUMNS]
    if any(run.reaction for arm in given for run in arm.measured):
        columns = [number for number in columns if number.name not in {"p50 ms", "p99 ms", "answers / s"}]
    head = ["how", "call", "requests per pod", *(number.name for number in columns)]
    rows = [_cells(head), _cells(["---", "---", "---", *("---:" for _ in columns)])]
    rows += [_cells([_plain(cell) for cell in _row(arm, columns)]) for arm in given]
    return f"{_plain(title(name))} - {load}:\n\n{''.join(rows)}"


def _row(arm: Arm, columns: Sequence[numbers.Number]) -> list[str]:
    if not arm.measured:
        return [str(arm.way), str(arm.kind), numbers.absent(arm), *("" for _ in columns)]
    return [str(arm.way), str(arm.kind), numbers.bars(arm), *(number.text(arm) for number in columns)]


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _plain(text: str) -> str:
    """Without what Markdown would take for markup."""
    return re.sub(r"([\\|<>*_`\[\]&])", r"\\\1", " ".join(text.split()))
