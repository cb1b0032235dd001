"""`python -m benchmarks.xds`: what the control plane costs."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import mesh
from benchmarks.xds.process import MODULE, Process, started
from services.options import Parser, between

LIMITS = {"push_ms": 1500.0, "cpu_ms_per_push": 600.0, "kib_per_stream": 100.0, "watches": 1.0}
DESCRIPTION = """\
Has many clients, a connection and a stream each, follow one Service of many endpoints through one control plane, and
changes one endpoint at a time. It tells how long it takes until the last client has the new set, from the change on,
what CPU that takes the control plane, and how much memory a stream holds. Clients and control plane share this machine.
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; a mistake ends the process with status 2 and one line."""
    parser = Parser(prog=MODULE, description=DESCRIPTION, epilog="exit status: 1 if a limit is not kept")
    add = parser.add_argument
    add("--streams", type=between(1, 10_000), help="clients (1000; with --quick 100)")
    add("--endpoints", type=between(1, 60_000), help="of the Service (1000; with --quick 100)")
    add("--changes", type=between(1, 1000), default=10, help="one endpoint each (%(default)s)")
    add("--quick", action="store_true", help="a few seconds: fewer of both")
    add("--json", type=Path, metavar="FILE", help="write all numbers there")
    add("--role", choices=["serve", "subscribe"], help=argparse.SUPPRESS)
    add("--address", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.streams = options.streams or (100 if options.quick else 1000)
    options.endpoints = options.endpoints or (100 if options.quick else 1000)
    if reason := mesh.missing(proxy=False):
        parser.error(reason)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if options.role:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it reaches every process of the terminal
        from benchmarks.xds import roles  # noqa: PLC0415 - of an extra

        if options.role == "serve":
            asyncio.run(roles.serve(options.endpoints))
        else:
            asyncio.run(roles.subscribe(options.address, options.streams))
        return 0
    try:
        measured = _measure(options.streams, options.endpoints, options.changes)
    except KeyboardInterrupt:
        return 130
    return _report(options, measured)


def _measure(streams: int, endpoints: int, changes: int) -> dict[str, float]:
    with started("--role", "serve", "--endpoints", str(endpoints)) as server, contextlib.ExitStack() as stack:
        address = server.hear()
        before = server.ask("held")
        shares = [streams // 2, streams - streams // 2] if streams > 1 else [1]
        print(f"{streams} streams connect ...", file=sys.stderr)
        clients = [
            stack.enter_context(started("--role", "subscribe", "--address", address, "--streams", str(share)))
            for share in shares
        ]
        _until_all(clients)
        connected = server.ask("held")
        pushes = []
        for number in range(changes):
            print(f"change {number + 1} of {changes} ...", file=sys.stderr)
            began = server.ask("change")
            pushes.append((_until_all(clients) - began) * 1000)
        after = server.ask("held")
    return {
        "push_ms": statistics.median(pushes),
        "slowest_push_ms": max(pushes),
        "cpu_ms_per_push": (after["cpu_s"] - connected["cpu_s"]) * 1000 / changes,
        "kib_per_stream": (connected["rss_mib"] - before["rss_mib"]) * 1024 / streams,
        "kib_per_stream_after_pushes": (after["rss_mib"] - before["rss_mib"]) * 1024 / streams,
        "rss_mib": after["rss_mib"],
        "cpu_s_to_connect": connected["cpu_s"] - before["cpu_s"],
        "watches": after["watches"],
    }


def _until_all(clients: Sequence[Process]) -> float:
    """When the last stream of all has the next set: a reading of time.monotonic(), which is one for all processes."""
    return max(float(client.hear()) for client in clients)


def _report(options: argparse.Namespace, measured: dict[str, float]) -> int:
    broken = 0
    for name, value in measured.items():
        limit = LIMITS.get(name)
        kept = limit is None or value <= limit
        broken += not kept
        bound = "" if limit is None else f"  at most {limit:g}"
        print(f"{name:28} {value:10.1f}{bound}{'' if kept else '  MISSED'}")
    if options.json:
        told = {"streams": options.streams, "endpoints": options.endpoints, "limits": LIMITS, "results": measured}
        options.json.write_text(json.dumps(told, indent=1))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
