"""The verdicts and the tables as Markdown, into a file that has a place for them or a file of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.page import numbers
from benchmarks.page.arms import Arm, arms, scenario_names
from benchmarks.page.chapter import title
from benchmarks.page.verdicts import verdicts
from benchmarks.result import Result

BEGIN, END = "<!-- begin of the comparison -->", "<!-- end of the comparison -->"
COLUMNS = (
    *("busiest / fair", "idle pods", "connections", "errors", "p50 ms", "p99 ms", "answers / s", "client CPU us"),
    *("first request ms", "fair share ms"),
)
"""What a reader needs first; the page has more."""


def write(result: Result, file: Path) -> None:
    """Put the text between the lines BEGIN and END of the file; all of it is replaced where it has no such lines."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    whole = f"{before}{begin}{render(result)}{end}{after}" if begin and end else render(result)
    file.write_text(whole, encoding="utf-8")


def render(result: Result) -> str:
    """The tables of all scenarios, then a verdict for each way."""
    tables = [_scenario(result, name) for name in scenario_names(result)]
    said = "".join(f"- **{_plain(str(each.way))}**: {_plain(each.sentence)}\n" for each in verdicts(result))
    return "\n".join([*tables, said])


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
