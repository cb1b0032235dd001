"""`service-dns+max-connection-age`: servers that end each gRPC connection after a second, so that clients connect anew.

It is how one limps along without a balancer: the kernel picks again, though still for all calls at once.
"""

from benchmarks.arm import Mode, Wire
from benchmarks.strategies.service_dns import ServiceDns


class MaxConnectionAge(ServiceDns):
    pod_arguments = ("--max-connection-age-s", "1")

    def modes(self, wire: Wire) -> tuple[Mode, ...]:
        return ("kept",) if wire == "grpc" else ()


STRATEGY = MaxConnectionAge()
