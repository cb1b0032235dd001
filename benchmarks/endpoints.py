"""`python -m benchmarks.endpoints`: what a gRPC channel over many endpoints holds while it is idle."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

import discovery.grpc
from discovery.balancer import State
from services.options import Parser, between

MODULE = "benchmarks.endpoints"
LIMITS = {"kib_per_endpoint": 60.0, "fds_per_endpoint": 1.02, "threads_per_endpoint": 0.01, "idle_cpu_percent": 2.0}
DESCRIPTION = """\
Connects a sync and an asyncio channel to many endpoints on this machine, each client in a process of its own, and
tells what each holds: memory, file descriptors and threads per endpoint, and CPU while nothing is called.
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; a mistake ends the process with status 2 and one line."""
    parser = Parser(prog=MODULE, description=DESCRIPTION, epilog="exit status: 1 if a limit is not kept")
    parser.add_argument("--count", type=between(2, 10_000), default=1000, help="endpoints (%(default)s)")
    parser.add_argument("--idle-s", type=between(0.1, 600.0), default=10.0, help="time without calls (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    parser.add_argument("--role", choices=["serve", "sync", "asyncio"], help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if options.role == "serve":
        return _serve(options.count)
    if options.role:
        targets = json.loads(sys.stdin.readline())
        measured = _sync(targets, options.idle_s) if options.role == "sync" else _asyncio(targets, options.idle_s)
        print(json.dumps(measured))
        return 0
    return _compare(options)


def _compare(options: argparse.Namespace) -> int:
    command = [sys.executable, "-m", MODULE, "--count", str(options.count), "--idle-s", str(options.idle_s), "--role"]
    results: dict[str, dict[str, float]] = {}
    with subprocess.Popen([*command, "serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ports = server.stdout.readline()
            for kind in ("sync", "asyncio"):
                print(f"{kind}: {options.count} endpoints, {options.idle_s:g} s idle ...", file=sys.stderr)
                client = subprocess.run([*command, kind], input=ports, capture_output=True, text=True, check=True)
                results[kind] = json.loads(client.stdout)
        finally:
            server.terminate()
    broken = 0
    for kind, measured in results.items():
        for name, limit in LIMITS.items():
            kept = measured[name] <= limit
            broken += not kept
            print(f"{kind:8} {name:22} {measured[name]:8.3f}  at most {limit:g}{'' if kept else '  MISSED'}")
    if options.json:
        options.json.write_text(json.dumps({"count": options.count, "limits": LIMITS, "results": results}, indent=1))
    return 1 if broken else 0


def _serve(count: int) -> int:
    server = grpc.server(futures.ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    ports = [server.add_insecure_port("127.0.0.1:0") for _ in range(count)]
    server.start()
    print(json.dumps(ports), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop(None).wait()
    return 0


def _target(ports: Sequence[int]) -> str:
    return "static:///" + ",".join(f"127.0.0.1:{port}" for port in ports)


def _sync(ports: Sequence[int], idle_s: float) -> dict[str, float]:
    with discovery.grpc.insecure_channel(_target(ports[:1])) as first:
        _connect(first, 1)
        before = _held()
        began = time.monotonic()
        with discovery.grpc.insecure_channel(_target(ports)) as channel:
            _connect(channel, len(ports))
            connected_s = time.monotonic() - began
            time.sleep(1.0)  # grpc's polling threads look up every 0.2 s whether they are needed
            cpu = _cpu_s()
            time.sleep(idle_s)  # it is idleness that is measured
            return _difference(before, _held(), len(ports), (_cpu_s() - cpu) / idle_s, connected_s)


def _connect(channel: Any, count: int) -> None:
    """Wait until so many endpoints are ready."""
    done = threading.Event()

    def look(state: State) -> None:
        if sum(each.ready for each in state.endpoints) == count:
            done.set()

    subscription = channel._balancer.subscribe(look)
    done.wait()
    subscription.close()


def _asyncio(ports: Sequence[int], idle_s: float) -> dict[str, float]:
    async def run() -> dict[str, float]:
        async with discovery.grpc.aio.insecure_channel(_target(ports[:1])) as first:
            await first.channel_ready()
            before = _held()
            began = time.monotonic()
            async with discovery.grpc.aio.insecure_channel(_target(ports)) as channel:
                await channel.channel_ready()
                await asyncio.to_thread(_connect, channel, len(ports))
                connected_s = time.monotonic() - began
                await asyncio.sleep(1.0)
                cpu = _cpu_s()
                await asyncio.sleep(idle_s)
                return _difference(before, _held(), len(ports), (_cpu_s() - cpu) / idle_s, connected_s)

    return asyncio.run(run())


def _held() -> tuple[float, int, int]:
    """Resident KiB, open files and threads of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return float(fields["VmRSS"].split()[0]), len(os.listdir("/proc/self/fd")), int(fields["Threads"])  # noqa: PTH208 - it counts


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _difference(
    before: tuple[float, int, int], after: tuple[float, int, int], count: int, cpu: float, connected_s: float
) -> dict[str, float]:
    kib, fds, threads = ((now - then) / count for now, then in zip(after, before, strict=True))
    return {
        "kib_per_endpoint": kib,
        "fds_per_endpoint": fds,
        "threads_per_endpoint": threads,
        "idle_cpu_percent": cpu * 100,
        "connected_s": connected_s,
    }


if __name__ == "__main__":
    sys.exit(main())
