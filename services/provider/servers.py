"""The provider's two servers, made and bound, neither of them running yet."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import uvicorn
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as grpc_health  # type: ignore[attr-defined]  # not in grpc-stubs
from grpc_health.v1.health_pb2 import HealthCheckResponse
from starlette.types import ASGIApp

from protos import echo_pb2
from protos.echo_pb2_grpc import add_EchoServicer_to_server
from services.provider.grpc_service import EchoService

_ECHO = echo_pb2.DESCRIPTOR.services_by_name["Echo"].full_name

KEEP_ALIVE_S = 5
"""Idle time after which an HTTP connection is closed. A client that keeps its idle connections as long, and
httpx does, can meet one that is just being closed: it should let go of them a second earlier."""


class ListenError(Exception):
    """An address or a port cannot be had; the message says which and why."""


class HTTPServer(uvicorn.Server):
    """uvicorn's server without its signal handlers, which would end it before the lame duck's time."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class GRPCServer:
    """The gRPC server, the health that it tells, and the port that it got."""

    server: grpc.aio.Server
    health: grpc_health.HealthServicer
    port: int


def join(host: str, port: int) -> str:
    """Write an address as URLs and gRPC do: IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Listen on an IPv4 or IPv6 address (port 0: any free one); raises ListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY on what a socket accepts only if the socket names its protocol. Without it an
    # answer, two writes in uvicorn, may wait 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ListenError(
            f"cannot listen on {join(host, port)}: {error.strerror}; choose another --host or port"
        ) from error
    return listener


def http_server(app: ASGIApp, *, grace_s: int) -> HTTPServer:
    """Make the HTTP server, without what every call would pay for and nobody reads: log and extra headers."""
    return HTTPServer(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=grace_s,
        )
    )


async def grpc_server(echo: EchoService, *, host: str, port: int, max_connection_age_s: float = 0.0) -> GRPCServer:
    """Make the gRPC server and bind it; raises ListenError. Connections may have an age, 0 is for ever (gRFC A9)."""
    # For a port that it cannot have, gRPC logs lines of its own and raises an error without the reason.
    listen(host, port).close()
    age = [("grpc.max_connection_age_ms", round(max_connection_age_s * 1000))] if max_connection_age_s else []
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *age])
    health = grpc_health.HealthServicer()
    await health.set(_ECHO, HealthCheckResponse.SERVING)
    add_EchoServicer_to_server(echo, server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    return GRPCServer(server, health, server.add_insecure_port(join(host, port)))
