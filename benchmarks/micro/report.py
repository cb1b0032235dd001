"""What the reader sees at the end: what picks and changes take, and each target that is missed."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.micro.blocks import CHANGES, REPORTS, SIZES, THREADS, picks, policies

GROWTH = 1.2
"""How much longer a pick may take among the most endpoints than among the fewest."""

Values = Mapping[str, Sequence[float]]
"""The seconds of each block, by its name."""


class Target(NamedTuple):
    """Something that is to be at most so much; `form` and `scale` are for the eye."""

    what: str
    is_: float
    most: float
    form: str
    scale: float = 1.0

    @property
    def missed(self) -> bool:
        return self.is_ > self.most

    def __str__(self) -> str:
        is_, most = (self.form.format(each * self.scale) for each in (self.is_, self.most))
        return f"{self.what}: {is_}, which is over {most}"


def typical(seconds: Sequence[float]) -> float:
    """The lower quartile: whatever else runs on the machine only adds to what a block takes."""
    return statistics.quantiles(seconds, n=4, method="inclusive")[0] if len(seconds) > 1 else seconds[0]


def growth(values: Values, policy: str, *, busy: bool = False) -> float:
    """What a pick takes among the most endpoints, as a multiple of what it takes among the fewest.

    The median of all rounds, in each of which the two are measured one soon after the other: a machine that others use
    is now quick, now slow.
    """
    few, many = (values[picks(policy, size, busy=busy)] for size in (SIZES[0], SIZES[-1]))
    return statistics.median(more / less for less, more in zip(few, many, strict=True))


def targets(values: Values) -> Iterator[Target]:
    """All that there are, met or not."""
    for policy, most_s in (("round_robin", 1e-6), ("least_request", 2e-6)):
        for threads in (1, THREADS):
            for size in SIZES:
                name = picks(policy, size, threads=threads)
                yield Target(f"a pick of {name}", typical(values[name]), most_s, "{:.0f} ns", 1e9)
        what = f"the growth of a pick of {policy} from {SIZES[0]} to {SIZES[-1]} endpoints"
        yield Target(what, growth(values, policy), GROWTH, "{:.2f}-fold")
    for change in CHANGES:
        if change.most_s is not None:
            yield Target(change.name, typical(values[change.name]), change.most_s, "{:.1f} ms", 1e3)
    yield Target(REPORTS, typical(values[REPORTS]), 0.3, "{:.0f} ms", 1e3)


def report(values: Values, console: Console) -> bool:
    """Print the tables, and a line for each target that is missed; returns whether all are met."""
    console.print(_picks(values), _changes(values))
    missed = [target for target in targets(values) if target.missed]
    for target in missed:
        console.print(f"[red]●[/red] {target}", soft_wrap=True)
    if not missed:
        console.print("[green]●[/green] all targets are met")
    return not missed


def _picks(values: Values) -> Table:
    table = _table("A pick and its end, ns", ("policy", *(f"{size}" for size in SIZES), "growth"))
    for size in SIZES:
        table.add_column(f"{size},\n{THREADS} threads", justify="right")
    for policy, busy in policies():
        alone, together = (
            [f"{typical(values[picks(policy, size, threads=threads, busy=busy)]) * 1e9:.0f}" for size in SIZES]
            for threads in (1, THREADS)
        )
        name = f"{policy}, busy" if busy else policy
        table.add_row(name, *alone, f"{growth(values, policy, busy=busy):.2f}", *together)
    return table


def _changes(values: Values) -> Table:
    table = _table("A change, ms", ("what", "takes"))
    for name in (*(change.name for change in CHANGES), REPORTS):
        table.add_row(name, f"{typical(values[name]) * 1e3:.1f}")
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table
