"""The command line of the comparison: its options, and what is said of them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from benchmarks import scenarios, strategies
from benchmarks.arm import Client, Wire
from benchmarks.arrivals import ARRIVALS
from discovery import registry
from services.options import Parser, between

MODULE = "benchmarks.compare"

IN_CLUSTER = 4
"""Clients, if nobody says: that of one node is not the limit."""

PENDING_S = 30.0
"""After which a pod that no node takes ends the command."""

IMAGE = "discovery-demo:dev"
"""What `make image` makes."""

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


def parser() -> Parser:
    """Reads it; a mistake ends the process with status 2 and one line."""
    made = Parser(
        prog=MODULE,
        usage="python -m benchmarks.compare [--quick | --full] [options]\n       python -m benchmarks.compare diff A B",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def several(name: str, choices: Sequence[str], *, targets: bool = False) -> None:
        made.add_argument(
            name,
            nargs="+",
            action=_Several,
            type=_items(choices, targets=targets),
            metavar="NAME",
            help=f"some of: {', '.join(choices)}{', or targets' if targets else ''}",
        )

    add = made.add_argument
    size = made.add_mutually_exclusive_group()
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
    add("--resume", type=Path, metavar="FOLDER", help="run what is missing there of an interrupted command")
    add("--json-lines", action="store_true", help="stdout is a line of JSON for each finished run alone")
    there = made.add_argument_group("on a real cluster")
    where = there.add_mutually_exclusive_group()
    where.add_argument(
        "--cluster", action="store_true", help="in a real cluster, in a namespace of its own that it removes again"
    )
    where.add_argument(
        "--local-pods", action="store_true", help="on a real cluster's API server, with pods and clients of the lab"
    )
    there.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="that names the cluster (KUBECONFIG, or ~/.kube/config)"
    )
    there.add_argument("--context", metavar="NAME", help="of the kubeconfig (its current one)")
    there.add_argument("--image", help=f"of provider and clients, as the cluster's nodes pull it ({IMAGE})")
    there.add_argument(
        "--pending-s",
        type=between(1.0, 3600.0),
        metavar="S",
        help=f"seconds for which a pod may lack a node, where nodes are added on demand ({PENDING_S:g})",
    )
    there.add_argument(
        "--dry-run", action="store_true", help="with --cluster: print all that is applied and every right that it takes"
    )
    return made


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
