"""The demo consumer: an HTTP service that calls the provider through a target (`python -m services.consumer`)."""

import argparse
import sys
from collections.abc import Sequence

import uvicorn

import discovery
from services.consumer.app import consumer_app
from services.consumer.calls import over_grpc, over_http
from services.options import Parser, port


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options, the process's own unless told otherwise; a wrong one exits with status 2 and one line."""
    parser = Parser(
        prog="services.consumer",
        description="A service that calls the demo provider. GET /service answers which pod took the call.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--target", required=True, help="where the provider is, such as kubernetes:///echo:http")
    add("--protocol", choices=("http", "grpc"), default="http", help="what the provider speaks there")
    add("--policy", default="least_request", help="who takes a call: least_request or round_robin")
    add("--host", default="0.0.0.0", help="address to listen on")
    add("--port", type=port, default=8080, help="port to listen on; 0: any free one, told in the log")
    return parser.parse_args(arguments)


def main() -> None:
    """Serve until a signal; a target or policy that does not parse exits with status 2 and one line."""
    options = parse()
    try:
        # Nothing starts here: what is wrong with the target is said before the service begins.
        discovery.Balancer(options.target, policy=options.policy).close()
    except discovery.InvalidTarget as error:
        print(f"services.consumer: {error}", file=sys.stderr)
        sys.exit(2)
    opening = {"http": over_http, "grpc": over_grpc}[options.protocol]
    uvicorn.run(consumer_app(opening(options.target, options.policy)), host=options.host, port=options.port)


if __name__ == "__main__":
    main()
