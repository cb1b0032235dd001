"""`static`: client-side, a fixed list of the pods that the Service has at the start."""

from collections.abc import Sequence

from benchmarks.arm import Wire
from benchmarks.lab.cluster import GRPC_PORT, HTTP_PORT, Pod
from benchmarks.strategies._through_discovery import ThroughDiscovery


class Static(ThroughDiscovery):
    def address(self, wire: Wire, pods: Sequence[Pod]) -> str:
        port = HTTP_PORT if wire == "http" else GRPC_PORT
        return "static:///" + ",".join(f"{pod.address}:{port}" for pod in pods)


STRATEGY = Static()
