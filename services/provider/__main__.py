"""The demo provider, a pod of a Service: HTTP/1.1 and gRPC in one process (`python -m services.provider`)."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import get_args

from discovery import Registration, Unresolved
from services.options import Parser, between, port
from services.provider.entry import Entry
from services.provider.grpc_service import EchoService
from services.provider.http_app import http_app
from services.provider.identity import Identity
from services.provider.lifecycle import serve_until, stop_on_signal
from services.provider.servers import ListenError, grpc_server, http_server, join, listen
from services.provider.work import Trouble, Work


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options, the process's own unless told otherwise; a wrong one exits with status 2."""
    parser = Parser(
        prog="services.provider",
        description="A pod of the demo Service. It tells who it is over HTTP (GET /ping) and gRPC "
        "(echo.v1.Echo). On SIGTERM it turns not-ready, keeps accepting for a while, finishes what is in "
        "flight and leaves; a second signal ends it at once. POD_NAME, NODE_NAME and ZONE in the environment "
        "say who it is, POD_IP where it is registered if not at --host.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="0.0.0.0", help="address to listen on")
    add("--http-port", type=port, default=8081, help="0: any free one; the line on stdout tells it")
    add("--grpc-port", type=port, default=8082, help="0: any free one; the line on stdout tells it")
    add("--latency-ms", type=between(0.0, 3.6e6), default=0.0, help="time that a call takes")
    add("--concurrency", type=between(0, 10**6), default=0, help="calls at once, others queue; 0: no bound")
    add("--fail-ratio", type=between(0.0, 1.0), default=0.0, help="share of calls answered 503, UNAVAILABLE")
    add("--dear-ratio", type=between(0.0, 1.0), default=0.0, help="share of calls that take 50 times as long")
    add(
        "--trouble",
        choices=get_args(Trouble),
        default="slow",
        help="what becomes of calls after SIGUSR1: ten times slower, or a failure at once",
    )
    add(
        "--max-connection-age-s",
        type=between(0.0, 3600.0),
        default=0.0,
        help="time after which a gRPC connection is ended, in good order, so that its client connects anew; 0: never",
    )
    add(
        "--lame-duck-s",
        type=between(0.0, 3600.0),
        default=2.0,
        help="time for which it accepts after SIGTERM",
    )
    add("--register", metavar="TARGET", help="etcd://HOST:PORT/PREFIX to be in, as PREFIX/http and PREFIX/grpc")
    add("--movable", action="store_true", help="anyone may have it register elsewhere, by PUT /registration")
    add("--register-ttl-s", type=between(2, 86_400), default=10, help="it is gone after so long without a sign of it")
    add("--grace-s", type=between(0, 3600), default=30, help="time that calls in flight then have to finish")
    options = parser.parse_args(arguments)
    if options.register:
        try:
            Registration(options.register, "127.0.0.1:1")
        except ValueError as error:
            parser.error(f"argument --register: {error}")
    return options


async def run(options: argparse.Namespace) -> None:
    """Serve until a signal, then drain; raises ListenError if a port cannot be had."""
    stopping = stop_on_signal()
    identity = Identity.from_environment(os.environ)
    work = Work(
        latency_s=options.latency_ms / 1000,
        concurrency=options.concurrency,
        fail_ratio=options.fail_ratio,
        dear_ratio=options.dear_ratio,
        trouble=options.trouble,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, work.begin_trouble)
    with listen(options.host, options.http_port) as listener:
        over_grpc = await grpc_server(
            EchoService(identity, work),
            host=options.host,
            port=options.grpc_port,
            max_connection_age_s=options.max_connection_age_s,
        )
        await over_grpc.server.start()
        http_port = listener.getsockname()[1]
        ports = {"http": http_port, "grpc": over_grpc.port}
        entry = Entry(identity, os.environ.get("POD_IP") or options.host, ports, ttl_s=options.register_ttl_s)
        if options.register:
            # A registry that is away keeps it from nothing.
            with contextlib.suppress(Unresolved):
                await entry.hold(entry.at(options.register), 0)
        http = http_server(
            http_app(identity, work, stopping, entry if options.movable else None), grace_s=options.grace_s
        )
        print(
            f"serving http={join(options.host, http_port)} grpc={join(options.host, over_grpc.port)}",
            flush=True,
        )
        await serve_until(
            stopping, http, listener, over_grpc, entry, lame_duck_s=options.lame_duck_s, grace_s=options.grace_s
        )


def main() -> None:
    """Run the command line; a port that cannot be had exits with status 2 and one line."""
    options = parse()
    try:
        asyncio.run(run(options))
    except ListenError as error:
        print(f"services.provider: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
