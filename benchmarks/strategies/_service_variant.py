"""What the variants of `service-dns` have in common: another Service of the same pods, or another way to it."""

from benchmarks.arm import Wire
from benchmarks.lab.cluster import SERVICE_GRPC_PORT, SERVICE_HTTP_PORT
from benchmarks.lab.surroundings import USERSPACE, here
from benchmarks.strategies.service_dns import ServiceDns


class ServiceVariant(ServiceDns):
    """Clients as those of `service-dns`. What differs is the kernel's doing, or DNS's."""

    def missing(self) -> str | None:
        return (
            "it needs the kernel's rules and DNS, which there are only in namespaces" if here() is USERSPACE else None
        )


def at(wire: Wire, address: str) -> str:
    """HOST:PORT as the clients want it."""
    return f"http://{address}" if wire == "http" else address


def named(wire: Wire, service: str) -> str:
    """Where a Service is by its name, as the clients want it."""
    return at(
        wire, f"{service}.default.svc.cluster.local.:{SERVICE_HTTP_PORT if wire == 'http' else SERVICE_GRPC_PORT}"
    )
