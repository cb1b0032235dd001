"""`python -m discovery.xds`: the control plane, alone."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from discovery.errors import InvalidTarget
from discovery.outliers import Outliers
from discovery.split import Split
from discovery.xds import Server

_log = logging.getLogger("discovery")

DESCRIPTION = """\
An xDS control plane: watches the EndpointSlices of Kubernetes Services, and tells proxyless gRPC clients and Envoys of
their endpoints. A client asks for SERVICE[.NAMESPACE][:PORT], as in `xds:///orders.shop:grpc`; a Service is watched
once whatever the number of clients, and not while nobody asks for it.
"""

EPILOG = """\
examples
  python -m discovery.xds --listen 0.0.0.0:18000
  python -m discovery.xds --split orders:http=90@orders-v1:http,10@orders-v2:http \\
                          --header orders:http=version:200@orders-v2:http

It needs list and watch on endpointslices, in the cluster that it runs in or in that of KUBECONFIG.

exit status: 0 after SIGINT or SIGTERM, 2 for wrong options or where it cannot listen
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options; a mistake ends the process with status 2 and one line."""
    parser = _Parser(
        prog="discovery.xds",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--listen", default="127.0.0.1:18000", metavar="HOST:PORT", help="%(default)s; port 0 takes a free one")
    add(
        "--split",
        action="append",
        default=[],
        type=_split,
        metavar="NAME=WEIGHT@SERVICE,...",
        help="lead who asks for NAME to Services by weight; may be repeated for other names",
    )
    add(
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="NAME=HEADER:VALUE@SERVICE",
        help="but those with this value of this header to that one; may be repeated for other values",
    )
    add("--no-zones", action="store_true", help="all endpoints in one locality: gRPC sends to all in turn then")
    add("--no-outliers", action="store_true", help="have clients eject nothing")
    add("--verbose", action="store_true", help="log each request and acknowledgement, too")
    options = parser.parse_args(arguments)
    try:
        options.routes = routes(options.split, options.header)
    except ValueError as error:
        parser.error(str(error))
    return options


def routes(
    splits: Sequence[tuple[str, list[tuple[int, str]]]], headers: Sequence[tuple[str, str, str, str]]
) -> dict[str, Split[str]]:
    """The options as splits; raises ValueError where they do not go together."""
    weighted = dict(splits)
    by_value: dict[str, tuple[str, dict[str, str]]] = {}
    for name, header, value, service in headers:
        known = by_value.setdefault(name, (header, {}))
        if known[0] != header:
            raise ValueError(f"--header: {name} is routed by one header, and here are {known[0]!r} and {header!r}")
        known[1][value] = service
    if alone := by_value.keys() - weighted.keys():
        raise ValueError(f"--header: {alone.pop()} has no --split, which says where all the others go")
    return {name: Split(parts, by_value.get(name)) for name, parts in weighted.items()}


def _split(text: str) -> tuple[str, list[tuple[int, str]]]:
    name, equals, parts = text.partition("=")
    pairs = [part.partition("@") for part in parts.split(",")]
    if not (name and equals and all(weight.isdecimal() and service for weight, _, service in pairs)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=WEIGHT@SERVICE,...; correct is, for example, "
            "orders:http=90@orders-v1:http,10@orders-v2:http"
        )
    return name, [(int(weight), service) for weight, _, service in pairs]


def _header(text: str) -> tuple[str, str, str, str]:
    name, _, rest = text.partition("=")
    condition, _, service = rest.rpartition("@")
    header, _, value = condition.partition(":")
    if not all((name, header, value, service)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=HEADER:VALUE@SERVICE; correct is, for example, "
            "orders:http=version:200@orders-v2:http"
        )
    return name, header, value.strip(), service


async def run(options: argparse.Namespace) -> None:
    """Serve until a signal; raises InvalidTarget, ValueError or OSError where it cannot begin."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    outliers = None if options.no_outliers else Outliers()
    async with Server(options.listen, routes=options.routes, zones=not options.no_zones, outliers=outliers) as server:
        sys.stdout.write(f"serving xds={server.address}\n")
        sys.stdout.flush()
        await stopping.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = parse(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    _log.setLevel(logging.DEBUG if options.verbose else logging.INFO)
    try:
        asyncio.run(run(options))
    except (InvalidTarget, ValueError, OSError) as error:
        sys.stderr.write(f"discovery.xds: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
