"""Findings as a page of the documentation, with its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.simulation.findings import Findings, Table, text
from benchmarks.simulation.scenarios import Scenario, find
from benchmarks.simulation.server import ERROR_S, WORK_S, WORKERS

IMAGES = "images"

INTRODUCTION = f"""\
# The simulation

`make simulate` (or `python -m benchmarks.simulate`) has the real pool, policies, ejection and filters pick endpoints
in simulated time, and checks what they promise. It takes a minute or two, ends with status 1 where a promise is
broken, and gives the same numbers each time (`--seed` gives others). This page is what `make simulate ARGS="--docs
docs"` wrote.

## What is real, and what is a model

What picks is what ships: each client has a `discovery.pool.Pool` of its own, with its policy and settings, whose
clock is the simulated one. Nothing of it is patched or rebuilt. The rest is a model:

- An endpoint is {WORKERS} workers and a queue, first come, first served, without a bound. A request takes a worker
  {WORK_S * 1000:.0f} ms on average, exponentially distributed, so that one in a hundred takes more than 46 ms; a
  slower endpoint takes a multiple of it. What a request takes is its own, the same whoever gets it, and so is when
  it comes: all policies get the same requests.
- A failing endpoint answers after {ERROR_S * 1000:.0f} ms with an error, and without any work. Nobody tries again.
- Requests come at random moments (a Poisson process), at each client as likely as at any other, whatever becomes of
  those before. Latency is all from then to the answer, and runs end with the last answer, so that no slow request is
  left out.
- There is no network: clients know of an end at once, and connections open in no time.
- *busiest / fair* is the requests of the endpoint that got most over the mean, *load* is what comes over what the
  endpoints can do together, and *clients* is how many there are, each of which knows its own requests alone.
"""


def write(folder: Path, found: Mapping[str, Findings]) -> Path:
    """Write `simulation.md` and its images into the folder; returns the page."""
    from benchmarks.simulation.drawing import draw  # noqa: PLC0415 - matplotlib takes a second that others need not wait for

    images = folder / IMAGES
    images.mkdir(parents=True, exist_ok=True)
    for findings in found.values():
        if findings.chart is not None:
            draw(findings.chart, images)
    page = folder / "simulation.md"
    sections = [INTRODUCTION, *(section(find(name), findings) for name, findings in found.items())]
    page.write_text("\n".join(sections), encoding="utf-8")
    return page


def section(scenario: Scenario, findings: Findings) -> str:
    """What the page says of one scenario."""
    held = Table(
        ("what must hold", "is", "must be"),
        [
            (each.what, text(each.number), f"at {'least' if each.at_least else 'most'} {text(each.bound)}")
            for each in findings.expectations
        ],
    )
    chart = findings.chart
    picture = f"![{chart.alt}]({IMAGES}/{chart.name}.svg)\n\n" if chart else ""
    return f"## {scenario.title}\n\n{scenario.about}\n{_table(findings.table)}\n{picture}{_table(held)}"


def _table(table: Table) -> str:
    aligned = ["---" if isinstance(cell, str) else "---:" for cell in table.rows[0]]
    return "".join(f"| {' | '.join(row)} |\n" for row in (table.columns, aligned, *map(_texts, table.rows)))


def _texts(row: Sequence[str | float]) -> Sequence[str]:
    return [text(cell) for cell in row]
