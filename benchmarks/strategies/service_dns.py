"""`service-dns`: stock httpx and grpcio on the Service's DNS name; the kernel picks a pod for each connection.

Where there is neither, on the literal address of the forwarder that stands in for the kernel.
"""

import grpc
import grpc.aio
import httpx

from benchmarks.arm import Mode, Wire
from benchmarks.lab.cluster import SERVICE_GRPC_PORT, SERVICE_HTTP_PORT
from benchmarks.strategies import Place, Strategy, Way

CONNECTIONS = 1_000


class ServiceDns(Strategy):
    l4 = True
    needs_dns = False

    def modes(self, wire: Wire) -> tuple[Mode, ...]:
        return ("kept", "per-request") if wire == "http" else ("kept",)

    def address(self, wire: Wire, place: Place) -> str:
        return at(wire, place.forwarder or named(wire, place, "echo"))

    def client(self, way: Way) -> httpx.Client:
        return httpx.Client(base_url=way.address, limits=_limits(way.mode))

    def asyncio_client(self, way: Way) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=way.address, limits=_limits(way.mode))

    def channel(self, way: Way) -> grpc.Channel:
        return grpc.insecure_channel(way.address)

    def asyncio_channel(self, way: Way) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(way.address)


def at(wire: Wire, address: str) -> str:
    """HOST:PORT as the clients want it."""
    return f"http://{address}" if wire == "http" else address


def named(wire: Wire, place: Place, service: str) -> str:
    """HOST:PORT of a Service by its name."""
    # Absolute, as the search list of a pod's resolv.conf would cost further queries for each connection.
    return f"{place.dns_name(service)}.:{SERVICE_HTTP_PORT if wire == 'http' else SERVICE_GRPC_PORT}"


def _limits(mode: Mode) -> httpx.Limits:
    return httpx.Limits(
        max_connections=CONNECTIONS,
        # httpcore counts busy connections as kept, so that a lower limit would close some and let the kernel pick
        # again: with httpx's default of 20, 890 connections were seen for 900 requests.
        max_keepalive_connections=CONNECTIONS if mode == "kept" else 0,
        # The pods close idle connections after 5 s. At httpx's default, 5 s too, a request could meet a closing one.
        keepalive_expiry=4.0,
    )


STRATEGY = ServiceDns()
