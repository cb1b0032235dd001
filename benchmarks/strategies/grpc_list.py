"""`grpc-list`: grpc's own `ipv4:` with the pods that the Service has at the start, and its round_robin."""

from benchmarks.arm import Wire
from benchmarks.strategies import Place
from benchmarks.strategies._grpc_round_robin import GrpcRoundRobin


class GrpcList(GrpcRoundRobin):
    def address(self, wire: Wire, place: Place) -> str:  # noqa: ARG002 - gRPC alone
        return "ipv4:" + ",".join(f"{pod.address}:{pod.grpc_port}" for pod in place.pods)


STRATEGY = GrpcList()
