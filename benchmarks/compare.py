"""`python -m benchmarks.compare`: the command line of the comparison."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import get_args

from benchmarks import scenarios, strategies
from benchmarks.arm import Client, Wire
from benchmarks.lab import launcher
from benchmarks.lab.errors import LabError
from benchmarks.lab.surroundings import INSIDE
from benchmarks.plan import Options
from discovery import registry
from discovery.errors import InvalidTarget
from services.options import Parser, between

MODULE = "benchmarks.compare"

_SCRATCH = Path("/dev/shm")
"""The lab puts a file system of its own here, which vanishes with it."""

DESCRIPTION = """\
Send the same load to the pods of a Service in every way that a client can find them, and show which pod got how
much of it, how fast the answers were, and how soon new pods were noticed.

It needs no cluster and no root: the API server, the DNS, kube-proxy's kernel rules and the pods run in namespaces
of their own, which vanish with the command. Where namespaces cannot be had, or with DISCOVERY_LAB_DATAPLANE=userspace
in the environment, a forwarder takes the place of the kernel's rules, and there is no DNS.
"""

EXAMPLES = """\
strategies
  static       discovery: a fixed list of pods, picked per request
  kubernetes   discovery: the Service's EndpointSlices watched, picked per request
  registry     discovery: an etcd watched, in which the pods register themselves (extra etcd)
  service-dns  stock httpx and grpcio on the Service's DNS name; the kernel picks per connection. Over HTTP both with
               connections kept and with a new one for each request
  SCHEME://... any target of discovery, with the one protocol whose port it names
               (inside, the Service is echo.default, its ports are http, 80 to 8081, and grpc, 9080 to 8082)

examples
  python -m benchmarks.compare --quick
  python -m benchmarks.compare --protocols grpc --scenarios scale-up --policy round_robin
  python -m benchmarks.compare --strategies kubernetes,service-dns --rate 300 --duration 20 --repeats 5
  python -m benchmarks.compare --strategies service:///echo.default:80 static --protocols http --quick

exit status
  0 all measured; 1 requests failed or an arm gave no numbers; 2 wrong options, or no lab here; 130, 143 interrupted
"""


def options(arguments: Sequence[str]) -> Options:
    """Read and check the command line; a mistake ends the process with status 2 and one line."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        registry.policy(given.policy)
        for strategy in given.strategies:
            if "://" in strategy:
                registry.resolver(strategy)
    except InvalidTarget as error:
        parser.error(str(error))
    if len(given.protocols) > 1 and any("://" in strategy for strategy in given.strategies):
        parser.error("a target names the port of one protocol: add --protocols http or --protocols grpc")
    output = given.output or Path("results", datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S"))
    if trouble := _unwritable(output):
        parser.error(f"argument --output: {trouble}; give a folder that can be written")
    return Options(
        strategies=given.strategies,
        wires=given.protocols,
        clients=given.clients,
        scenarios=given.scenarios,
        policy=given.policy,
        replicas=given.replicas,
        rate_rps=given.rate,
        warmup_s=0.25 if given.quick else 1.0,
        duration_s=given.duration or (1.7 if given.quick else 5.0),
        repeats=given.repeats,
        output=output,
        quick=given.quick,
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=MODULE,
        usage="python -m benchmarks.compare [--quick] [options]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def several(name: str, choices: Sequence[str], *, targets: bool = False) -> None:
        parser.add_argument(
            name,
            nargs="+",
            action=_Several,
            type=_items(choices, targets=targets),
            default=tuple(choices),
            metavar="NAME",
            help=f"some of: {', '.join(choices)}{', or targets' if targets else ''} (all)",
        )

    add = parser.add_argument
    add("--quick", action="store_true", help="a minute: short arms on shared pods, scale-up for asyncio alone")
    several("--strategies", strategies.names(), targets=True)
    several("--protocols", get_args(Wire))
    several("--clients", get_args(Client))
    several("--scenarios", scenarios.names())
    add("--policy", default="least_request", help=f"of discovery: {', '.join(registry.POLICIES)} (%(default)s)")
    add("--replicas", type=between(1, 30), default=3, help="pods of the Service at the start (%(default)s)")
    add(
        "--rate",
        type=between(1.0, 10_000.0),
        default=600.0,
        help="requests per second, sent whatever the answers; a pod answers some 400 (%(default)g)",
    )
    add(
        "--duration",
        type=between(0.5, 3600.0),
        help="seconds for which an arm sends requests (5; with --quick 1.7)",
    )
    add("--repeats", type=between(1, 100), default=1, help="how often each arm runs (%(default)s)")
    add("--output", type=Path, metavar="FOLDER", help="for result.json (results/DATE-TIME)")
    return parser


class _Several(argparse.Action):
    """Joins the lists that `a,b c` is parsed to, each item once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        assert isinstance(values, list)
        setattr(namespace, self.dest, tuple(dict.fromkeys(item for items in values for item in items)))


def _items(choices: Sequence[str], *, targets: bool) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        # A target may have commas of its own: one ends an item only where a name or a scheme follows.
        items = re.split(r",(?=[a-z][a-z0-9+.-]*(?:,|$|://))", text) if targets else text.split(",")
        for item in items:
            if item not in choices and not (targets and "://" in item):
                also = ", or a target such as kubernetes:///echo.default:http" if targets else ""
                raise argparse.ArgumentTypeError(f"there is no {item!r}: choose from {', '.join(choices)}{also}")
        return items

    return parse


def _unwritable(folder: Path) -> str | None:
    """Why the folder cannot be made or written, or None if it can."""
    if folder.resolve().is_relative_to(_SCRATCH):
        return f"{_SCRATCH} is a file system of the lab's own, which vanishes with it"
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        return f"{existing} is a file"
    return None if os.access(existing, os.W_OK | os.X_OK) else f"{existing} cannot be written"


def main(arguments: Sequence[str]) -> int:
    """Check the options, enter a lab, run there; returns the exit status."""
    checked = options(arguments)
    if INSIDE in os.environ:
        from benchmarks.run import run  # noqa: PLC0415 - half a second of imports that a wrong option need not wait for

        return run(checked, shlex.join(["python", "-m", MODULE, *arguments]))
    try:
        return launcher.enter([sys.executable, "-m", MODULE, *arguments])
    except LabError as error:
        print(f"{MODULE}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
