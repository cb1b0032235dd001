"""The tables that the reader sees at the end."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.watching.client import Way
from benchmarks.watching.result import Cpu, Idle, Latency, Memory, Result, Target

_WAYS: dict[Way, str] = {
    "resolver": "ours, the resolver",
    "balancer": "ours, with a balancer",
    "official": "official",
    "official-raw": "official, dicts",
    "official-iterated": "official, doing nothing",
}
_MIB = 2**20


def report(result: Result, console: Console) -> None:
    """Print everything: numbers, then targets."""
    for table in (_cpu(result.cpu), _latency(result.latency), _memory(result.memory), _idle(result.idle)):
        console.print()
        console.print(table)
    for target in result.targets:
        console.print(verdict(target), soft_wrap=True)


def verdict(target: Target) -> Text:
    """One line about one target."""
    style, word = ("green", "met") if target.met else ("red", "missed")
    return Text.assemble(("● ", style), f"{target.name}: {target.measured:.1f}, {word}")


def _table(title: str, first: str, *numbers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cpu(cpu: Sequence[Cpu]) -> Table:
    ours = [each for each in cpu if each.way == "resolver"]
    heads = [head for each in ours for head in (f"{each.endpoints:,}\n{each.pace}\nus", "\n\n/ ours")]
    rounds, events = len(ours[0].rounds_us), ours[0].events
    table = _table(f"CPU per event, by endpoints: medians of {rounds} rounds of {events} events", "client", *heads)
    for way in dict.fromkeys(each.way for each in cpu):
        row = [each.us_per_event for each in cpu if each.way == way]
        cells = [(f"{us:,.0f}", f"{us / one.us_per_event:.1f}") for us, one in zip(row, ours, strict=True)]
        table.add_row(_WAYS[way], *(cell for pair in cells for cell in pair))
    return table


def _latency(latency: Sequence[Latency]) -> Table:
    title = "From the wire to the listeners of our balancer"
    table = _table(title, "change", "endpoints", "events", "p50\nms", "p99\nms", "max\nms", "no processor\nmean ms")
    for each in latency:
        ms = (f"{number:.1f}" for number in (each.p50_ms, each.p99_ms, each.max_ms, each.waited_ms))
        table.add_row(each.change, f"{each.endpoints:,}", f"{each.events:,}", *ms)
    return table


def _memory(memory: Sequence[Memory]) -> Table:
    title = f"Memory of {memory[0].endpoints:,} endpoints in {memory[0].slices} slices"
    table = _table(title, "client", "growth of RSS\nMiB", "objects (tracemalloc)\nMiB")
    for each in memory:
        table.add_row(_WAYS[each.way], f"{each.rss_bytes / _MIB:.1f}", f"{each.traced_bytes / _MIB:.1f}")
    return table


def _idle(idle: Sequence[Idle]) -> Table:
    title = f"{idle[0].watches} idle watches in one process"
    table = _table(title, "client", "threads", "descriptors", "growth of RSS\nMiB", "CPU\nms / s")
    for each in idle:
        rss, cpu = f"{each.rss_bytes / _MIB:.1f}", f"{each.cpu_ms_per_s:.1f}"
        table.add_row(_WAYS[each.way], str(each.threads), str(each.descriptors), rss, cpu)
    return table
