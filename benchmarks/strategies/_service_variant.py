"""What the variants of `service-dns` have in common: another Service of the same pods, or another way to it."""

from benchmarks.arm import Wire
from benchmarks.lab.surroundings import USERSPACE, here
from benchmarks.strategies import Place
from benchmarks.strategies.service_dns import ServiceDns


class ServiceVariant(ServiceDns):
    """Clients as those of `service-dns`. What differs is the kernel's doing, or DNS's."""

    def missing(self) -> str | None:
        return (
            "it needs the kernel's rules and DNS, which there are only in namespaces" if here() is USERSPACE else None
        )

    def address_in_cluster(self, wire: Wire, place: Place) -> None:
        """There is no such Service."""
