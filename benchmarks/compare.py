"""`python -m benchmarks.compare`: the command line of the comparison."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, get_args

from benchmarks import plan, scenarios, strategies
from benchmarks.arm import Client, Wire
from benchmarks.arrivals import ARRIVALS
from benchmarks.lab import launcher
from benchmarks.lab.errors import LabError
from benchmarks.lab.surroundings import INSIDE
from benchmarks.page.redraw import asked, redraw
from benchmarks.plan import Options
from discovery import registry
from discovery.errors import InvalidTarget
from services.options import Parser, between

MODULE = "benchmarks.compare"

IN_CLUSTER = 4
"""Clients, if nobody says: that of one node is not the limit."""

PENDING_S = 30.0
"""After which a pod that no node takes ends the command."""

IMAGE = "discovery-demo:dev"
"""What `make image` makes."""

_SCRATCH = Path("/dev/shm")
"""The lab puts a file system of its own here, which vanishes with it."""

_BESIDE = {"resume", "json_lines"}
"""Options that say nothing of what is measured."""

DESCRIPTION = """\
Send the same load to the pods of a Service in every way that a client can find them, and show which pod got how
much of it, how fast the answers were, and how soon new pods were noticed.

It needs no cluster and no root: the API server, the DNS, kube-proxy's kernel rules and the pods run in namespaces
of their own, which vanish with the command. Where namespaces cannot be had, or with DISCOVERY_LAB_DATAPLANE=userspace
in the environment, a forwarder takes the place of the kernel's rules, and there is no DNS.

With --local-pods the API server is not the lab's own, and with --cluster nothing is.
"""

EXAMPLES = """\
strategies
  grpc-xds     stock grpcio on xds:///, told of the pods by discovery's control plane; gRPC alone
  l7-proxy     stock httpx and grpcio on a sidecar: an Envoy that the control plane tells of the pods
  static       discovery: a fixed list of pods, picked per request
  kubernetes   discovery: the Service's EndpointSlices watched, picked per request
  registry     discovery: an etcd watched, in which the pods register themselves (extra etcd)
  service-dns  stock httpx and grpcio on the Service's DNS name; the kernel picks per connection. Over HTTP both with
               connections kept and with a new one for each request
  headless-dns discovery: a headless Service's addresses in DNS, by their TTL, picked per request
  srv-dns      discovery: the SRV records of its ports, likewise
  file         discovery: a list in a file that is kept up to date, picked per request
  grpc-dns     stock grpcio: its own dns:/// on the headless Service, and its round_robin
  grpc-list    stock grpcio: its own ipv4: with a fixed list, and its round_robin
  service-dns+affinity, +node-port, +external-name: other kinds of Services
  service-dns+max-connection-age: the servers end each gRPC connection after a second
  SCHEME://... any target of discovery, with the one protocol whose port it names
               (inside, the Service is echo.default, its ports are http, 80 to 8081, and grpc, 9080 to 8082)

which arms are run
  default      static, kubernetes and service-dns through steady, three times, and through scale-up, rolling-restart and
               pod-kill by asyncio clients, twice; under 6 minutes on two processors
  --quick      steady once, scale-up once by asyncio clients; a minute
  --full       all there is, five times
  a choice     with --strategies, --protocols, --clients or --scenarios: all of what is chosen, once

examples
  python -m benchmarks.compare --quick
  python -m benchmarks.compare --protocols grpc --scenarios scale-up --policy round_robin
  python -m benchmarks.compare --strategies kubernetes,service-dns --rate 300 --duration 20 --repeats 5
  python -m benchmarks.compare --from result.json         (redraws its report; add --help for what else can be drawn)
  python -m benchmarks.compare --strategies service:///echo.default:80 static --protocols http --quick
  python -m benchmarks.compare --full --output results/full
  python -m benchmarks.compare --resume results/full
  python -m benchmarks.compare --local-pods --context staging --quick
  python -m benchmarks.compare diff results/before results/after     what changed, and whether it is more than noise

exit status
  0 all measured; 1 requests failed or an arm gave no numbers; 2 wrong options, or no lab here; 130, 143 interrupted
  diff: 0 nothing is beyond noise; 1 something is; 2 wrong input
"""


def options(arguments: Sequence[str]) -> Options:
    """Read and check the command line; a mistake ends the process with status 2 and one line."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.resume:
        return _resumed(parser, given)
    return _checked(parser, given)


def _resumed(parser: Parser, given: argparse.Namespace) -> Options:
    """The options of the command that wrote the folder, which any others that are given must agree with."""
    from benchmarks.result import Result  # noqa: PLC0415 - what others need not wait for

    file = given.resume / "result.json"
    try:
        command = shlex.split(Result.read(file).command)
    except OSError as error:
        parser.error(f"argument --resume: {error.filename}: {error.strerror}")
    except ValueError as error:
        parser.error(f"argument --resume: {error}")
    if command[:3] != ["python", "-m", MODULE]:
        parser.error(f"argument --resume: {file} was not written by {MODULE}")
    before = _checked(parser, parser.parse_args(command[3:]), resumed=True)
    if given.output:
        parser.error("argument --output: what is resumed stays in its folder: leave out --output")
    if any(value != parser.get_default(name) for name, value in vars(given).items() if name not in _BESIDE):
        now = _checked(parser, given, resumed=True)
        differing = [each.name for each in fields(now) if each.compare and each.name != "output"]
        differing = [name for name in differing if getattr(now, name) != getattr(before, name)]
        if differing:
            names = ", ".join(differing)
            parser.error(f"argument --resume: it was begun with another {names}: leave the other options out")
    return replace(before, output=given.resume, json_lines=given.json_lines, resume=True)


def _checked(parser: Parser, given: argparse.Namespace, *, resumed: bool = False) -> Options:
    chosen = bool(given.strategies or given.protocols or given.clients or given.scenarios)
    tier = _tier(given, chosen=chosen)
    wanted = given.strategies or tier.strategies
    wires = given.protocols or get_args(Wire)
    try:
        registry.policy(given.policy)
        for strategy in wanted:
            if "://" in strategy:
                registry.resolver(strategy)
    except InvalidTarget as error:
        parser.error(str(error))
    if len(wires) > 1 and any("://" in strategy for strategy in wanted):
        parser.error("a target names the port of one protocol: add --protocols http or --protocols grpc")
    output = given.output or Path("results", datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S"))
    if not resumed and (trouble := _unwritable(output)):
        parser.error(f"argument --output: {trouble}; give a folder that can be written")
    return Options(
        strategies=wanted,
        wires=wires,
        clients=given.clients or get_args(Client),
        scenarios=given.scenarios or tier.scenarios,
        policy=given.policy,
        replicas=given.replicas,
        rate_rps=given.rate,
        warmup_s=tier.warmup_s,
        duration_s=given.duration or tier.duration_s,
        repeats=given.repeats or tier.repeats,
        output=output,
        quick=given.quick,
        arrivals=given.arrivals,
        client_processes=given.client_processes or (IN_CLUSTER if given.cluster else 1),
        cluster=_cluster(parser, given),
        local_pods=plan.LocalPods(given.kubeconfig, given.context) if given.local_pods else None,
        brief=not (chosen or given.quick or given.full),
        json_lines=given.json_lines,
    )


def _cluster(parser: Parser, given: argparse.Namespace) -> plan.InCluster | None:
    if given.cluster:
        longest_s = max(given.duration or 0.0, 60.0)
        each = given.rate * longest_s / (given.client_processes or IN_CLUSTER)
        if each > plan.MAX_REQUESTS:
            parser.error(
                f"argument --rate: each client would send {each:.0f} requests, and can tell of {plan.MAX_REQUESTS} in "
                "its log: give more --client-processes, or a shorter --duration"
            )
        return plan.InCluster(
            given.kubeconfig, given.context, given.image or IMAGE, given.pending_s or PENDING_S, given.dry_run
        )
    of_pods_there = ("image", "pending_s", "dry_run")
    for name in of_pods_there if given.local_pods else ("kubeconfig", "context", *of_pods_there):
        if getattr(given, name):
            either = "" if name in of_pods_there else " or --local-pods"
            option = name.replace("_", "-")
            parser.error(f"argument --{option}: it says something of a real cluster: add --cluster{either}")
    return None


class _Tier(NamedTuple):
    """What is meant by options that are not given."""

    strategies: tuple[str, ...]
    scenarios: tuple[str, ...]
    warmup_s: float
    duration_s: float
    repeats: int


def _tier(given: argparse.Namespace, *, chosen: bool) -> _Tier:
    every = (strategies.names(), scenarios.names())
    first = tuple(name for name in plan.FIRST_SCENARIOS if name in scenarios.names())
    if given.full:
        return _Tier(*every, 1.0, 5.0, 5)
    if given.quick:
        return _Tier(plan.FIRST_STRATEGIES, plan.QUICK_SCENARIOS, 0.25, 1.7, 1)
    return _Tier(*every, 1.0, 5.0, 1) if chosen else _Tier(plan.FIRST_STRATEGIES, first, 0.5, 2.0, 3)


def _parser() -> Parser:
    parser = Parser(
        prog=MODULE,
        usage="python -m benchmarks.compare [--quick | --full] [options]\n       python -m benchmarks.compare diff A B",
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
            metavar="NAME",
            help=f"some of: {', '.join(choices)}{', or targets' if targets else ''}",
        )

    add = parser.add_argument
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a minute: short arms on shared pods")
    size.add_argument("--full", action="store_true", help="everything, five times, for hours: see --resume")
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
        help="seconds for which an arm sends requests (5; by default 2, with --quick 1.7)",
    )
    add("--repeats", type=between(1, 100), help="how often each arm runs (see below)")
    add(
        "--arrivals",
        choices=ARRIVALS,
        default="constant",
        help="requests evenly spaced, or poisson: as from many callers, by chance, in each repeat anew (constant)",
    )
    add(
        "--client-processes",
        type=between(1, 32),
        metavar="N",
        help="that share the load of an arm, ten requests in flight each: for where one is the limit (1); in a real "
        "cluster so many pods (4)",
    )
    add("--output", type=Path, metavar="FOLDER", help="for result.json (results/DATE-TIME)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--cluster", action="store_true", help="in a real cluster, in a namespace of its own that it removes again"
    )
    where.add_argument(
        "--local-pods", action="store_true", help="on a real cluster's API server, with pods and clients of the lab"
    )
    add("--kubeconfig", type=Path, metavar="FILE", help="that names the cluster (KUBECONFIG, or ~/.kube/config)")
    add("--context", metavar="NAME", help="of the kubeconfig (its current one)")
    add("--image", help=f"of provider and clients, as the cluster's nodes pull it ({IMAGE})")
    add(
        "--pending-s",
        type=between(1.0, 3600.0),
        metavar="S",
        help=f"seconds for which a pod may lack a node, where nodes are added on demand ({PENDING_S:g})",
    )
    add(
        "--dry-run", action="store_true", help="with --cluster: print all that is applied and every right that it takes"
    )
    add("--resume", type=Path, metavar="FOLDER", help="run what is missing there of an interrupted command")
    add("--json-lines", action="store_true", help="stdout is a line of JSON for each finished run alone")
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
    """Check the options, enter a lab, run there; returns the exit status.

    `diff A B` compares two results, and with --from nothing is run.
    """
    if arguments[:1] == ["diff"]:
        from benchmarks import diff  # noqa: PLC0415 - as below

        return diff.main(arguments[1:])
    if asked(arguments):
        return redraw(arguments)
    checked = options(arguments)
    return _carried_out(checked, arguments)


def _carried_out(checked: Options, arguments: Sequence[str]) -> int:
    typed = shlex.join(["python", "-m", MODULE, *arguments])
    if checked.cluster and checked.cluster.dry_run:
        from benchmarks.in_cluster.dry_run import text  # noqa: PLC0415 - as below

        print(text(checked), end="")
        return 0
    if checked.cluster:
        from benchmarks.in_cluster.run import run as run_in_cluster  # noqa: PLC0415 - as below

        return run_in_cluster(checked, typed)
    if INSIDE in os.environ:
        from benchmarks.run import run  # noqa: PLC0415 - half a second of imports that a wrong option need not wait for

        return run(checked, typed)
    try:
        passage = None
        if checked.local_pods:
            from benchmarks.local_pods import way_out  # noqa: PLC0415 - as above

            passage = way_out(checked.local_pods)
        return launcher.enter([sys.executable, "-m", MODULE, *arguments], passage)
    except LabError as error:
        print(f"{MODULE}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while somebody was to log in, say
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
