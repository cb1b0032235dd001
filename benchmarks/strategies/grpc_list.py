"""`grpc-list`: grpc's own `ipv4:` with the pods that the Service has at the start, and its round_robin."""

from collections.abc import Sequence

from benchmarks.arm import Wire
from benchmarks.lab.cluster import Pod
from benchmarks.strategies._grpc_round_robin import GrpcRoundRobin


class GrpcList(GrpcRoundRobin):
    def address(self, wire: Wire, pods: Sequence[Pod], forwarder: str | None) -> str:  # noqa: ARG002 - called directly
        return "ipv4:" + ",".join(f"{pod.address}:{pod.grpc_port}" for pod in pods)


STRATEGY = GrpcList()
