"""`static`: client-side, a fixed list of the pods that the Service has at the start."""

from benchmarks.arm import Wire
from benchmarks.strategies import Place
from benchmarks.strategies._through_discovery import ThroughDiscovery


class Static(ThroughDiscovery):
    def address(self, wire: Wire, place: Place) -> str:
        ports = (pod.http_port if wire == "http" else pod.grpc_port for pod in place.pods)
        return "static:///" + ",".join(f"{pod.address}:{port}" for pod, port in zip(place.pods, ports, strict=True))


STRATEGY = Static()
