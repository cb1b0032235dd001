"""What the reader sees at the end: a table for each scenario, and a line of verdict for each arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks import scenarios
from benchmarks.arm import named
from benchmarks.keeping_up import not_keeping_up
from benchmarks.lab.surroundings import USERSPACE, USERSPACE_NOTE
from benchmarks.result import JOINED, Expectation, Result, Run
from benchmarks.statistics import interval

EVEN = 1.05
"""A busiest pod within 5 % of its fair share is even, to a reader."""

_PROTOCOLS = {"http": "HTTP", "grpc": "gRPC"}
_BARS = "·▁▂▃▄▅▆▇█"


class Verdict(NamedTuple):
    """One line about one arm; `style` is green for even and quick, red for pinned, blind or failed, yellow between.

    Grey is what does not apply.
    """

    text: str
    style: str


def report(result: Result, console: Console) -> None:
    """Print the tables and the verdicts. Repeats of an arm are one row, of medians; its verdict is that of the last."""
    if result.environment.dataplane == USERSPACE.dataplane:
        console.print(f"\n{USERSPACE_NOTE}", soft_wrap=True)
    for scenario in dict.fromkeys(run.scenario for run in result.runs):
        runs = [run for run in result.runs if run.scenario == scenario]
        rows = [[run for run in runs if run.key == key] for key in dict.fromkeys(run.key for run in runs)]
        console.print()
        console.print(_table(scenarios.find(scenario).title, rows))
        for row in rows:
            text, style = verdict(row[-1])
            console.print(Text.assemble(("● ", style), text), soft_wrap=True)
            for run in row:
                for promise in broken(run):
                    console.print(Text(f"  broken: {promise.text}", style="red"), soft_wrap=True)
        console.print(scenarios.find(scenario).teaches, style="italic", soft_wrap=True)


def broken(run: Run) -> Sequence[Expectation]:
    """What the scenario promises of such a run, and did not hold."""
    return [promise for promise in run.expectations if not promise.held]


def verdict(run: Run) -> Verdict:
    """What happened, in words."""
    who = _who(run)
    if not run.applicable:
        return Verdict(f"{who}: not here: {run.reason}", "bright_black")
    if run.status != "ok":
        return Verdict(f"{who}: not measured: {run.reason}", "red")
    if run.errors:
        kinds = ", ".join(f"{count} {kind}" for kind, count in (run.errors_by_kind or {}).items())
        return Verdict(
            f"{who}: {run.errors} of {run.requests} requests failed ({kinds})", "red" if broken(run) else "yellow"
        )
    joined = [event for event in run.events if event.what == JOINED]
    what = _followed(run, len(joined[0].pods)) if joined else _spread(run)
    dropped = f"; {run.dropped} requests never sent, as too many waited" if run.dropped else ""
    limit = f"; {trouble}" if (trouble := not_keeping_up(run)) else ""
    return Verdict(f"{who}: {what.text}{dropped}{limit}", "red" if dropped else "yellow" if limit else what.style)


def _who(run: Run) -> str:
    how = (
        "over the Service"
        if (run.strategy, run.variant) == ("service-dns", None)
        else f"with {named(run.strategy, run.variant)}"
    )
    mode = ", a connection per request" if run.connections_mode == "per-request" else ""
    return f"{_PROTOCOLS[run.protocol]} {how}{mode} ({run.client})"


def _spread(run: Run) -> Verdict:
    counts = list((run.by_backend or {}).values())
    busy = sum(count > 0 for count in counts)
    if busy < len(counts):
        return Verdict(f"{busy} of {len(counts)} pods got every request", "red")
    if not run.max_over_mean or run.max_over_mean <= EVEN:
        return Verdict(f"each of {len(counts)} pods got its share", "green")
    on = "" if run.connections_opened is None else f", on {run.connections_opened} connections"
    return Verdict(
        f"the busiest of {len(counts)} pods got {run.max_over_mean:.2f} times its share{on}",
        "yellow",
    )


def _followed(run: Run, new: int) -> Verdict:
    reaction = run.reaction
    if reaction is None or reaction.first_request_ms is None:
        return Verdict(f"the {new} new pods got nothing" if new > 1 else "the new pod got nothing", "red")
    first = f"the first request to a new pod after {reaction.first_request_ms:.0f} ms"
    if reaction.fair_share_ms is None:
        return Verdict(f"{first}, their fair share never", "yellow")
    return Verdict(f"{first}, their fair share after {reaction.fair_share_ms:.0f} ms", "green")


class _Column(NamedTuple):
    title: str
    number: Callable[[Run], float | None]
    form: str = "{:.0f}"


_LOAD = (
    _Column("busiest\n/ fair", lambda run: run.max_over_mean, "{:.2f}"),
    _Column("cv", lambda run: run.cv, "{:.2f}"),
    _Column("by\nchance", lambda run: run.noise_floor_cv, "{:.2f}"),
    _Column("idle\npods", lambda run: run.idle_backends),
    _Column("connec-\ntions", lambda run: run.connections_opened),
)
_SPEED = (
    _Column("p50\nms", lambda run: run.latency_ms.p50 if run.latency_ms else None, "{:.1f}"),
    _Column("p99\nms", lambda run: run.latency_ms.p99 if run.latency_ms else None),
    _Column("answers\n/ s", lambda run: run.achieved_rps),
    _Column("CPU us\n/ request", lambda run: run.client_cpu_us_per_request),
)
_REACTION = (
    _Column("first request\nafter ms", lambda run: run.reaction.first_request_ms if run.reaction else None),
    _Column("fair share\nafter ms", lambda run: run.reaction.fair_share_ms if run.reaction else None),
)


_FAILED = _Column("failed", lambda run: run.errors)
_UNSURE = (*_SPEED[:2], _SPEED[-1], *_REACTION)


def _table(title: str, rows: Sequence[Sequence[Run]]) -> Table:
    first = rows[0][0]
    runs = [run for row in rows for run in row]
    joined = any(event.what == JOINED for run in runs for event in run.events)
    failed = any(run.errors for run in runs)
    columns = (*_LOAD, *(_REACTION if joined else _SPEED), *((_FAILED,) if failed else ()))
    table = Table(
        title=f"{title} - {first.replicas} pods, {first.offered_rps:g} requests/s offered, {first.duration_s:g} s",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        caption=_caption(rows),
        caption_justify="left",
    )
    for name in ("how", "call", "requests\nper pod"):
        table.add_column(name, no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for row, (following, *_) in zip(rows, [*rows[1:], rows[-1]], strict=True):
        run = row[-1]
        table.add_row(
            named(run.strategy, run.variant) + (", reconnecting" if run.connections_mode == "per-request" else ""),
            f"{_PROTOCOLS[run.protocol]} {run.client}",
            Text(_bars(run.by_backend or {}), style=verdict(run).style),
            *(_number(column, row) for column in columns),
            style=None if run.applicable else "bright_black",
            end_section=run.strategy != following.strategy,
        )
    return table


def _caption(rows: Sequence[Sequence[Run]]) -> str | None:
    repeats = max(len(row) for row in rows)
    if repeats == 1:
        return None
    confidence = interval(range(repeats)).confidence
    return (
        f"medians of {repeats} repeats, ± half of the interval that holds the true one with {confidence:.0%} confidence"
    )


def _bars(by_backend: Mapping[str, int]) -> str:
    """A bar per pod, the busiest the highest, and a dot for none."""
    most = max(by_backend.values(), default=0) or 1
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in by_backend.values())


def _number(column: _Column, runs: Sequence[Run]) -> str:
    """The median over the repeats, and of what is a time, half the width of its interval."""
    numbers = [number for run in runs if (number := column.number(run)) is not None]
    if numbers:
        found = interval(numbers)
        text = column.form.format(found.median)
        if column not in _UNSURE or len(numbers) == 1 or not found.median:
            return text
        return f"{text} [dim]±{(found.high - found.low) / 2 / found.median:.0%}[/]"
    return "never" if column in _REACTION and any(run.status == "ok" for run in runs) else "-"
