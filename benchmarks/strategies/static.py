"""`static`: client-side, a fixed list of the pods that the Service has at the start."""

from collections.abc import Sequence

from benchmarks.arm import Wire
from benchmarks.lab.cluster import Pod
from benchmarks.strategies._through_discovery import ThroughDiscovery


class Static(ThroughDiscovery):
    def address(self, wire: Wire, pods: Sequence[Pod], forwarder: str | None) -> str:  # noqa: ARG002 - called directly
        ports = (pod.http_port if wire == "http" else pod.grpc_port for pod in pods)
        return "static:///" + ",".join(f"{pod.address}:{port}" for pod, port in zip(pods, ports, strict=True))


STRATEGY = Static()
