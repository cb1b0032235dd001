"""`kubernetes`: client-side, the Service's EndpointSlices watched."""

from collections.abc import Sequence

from benchmarks.arm import Wire
from benchmarks.lab.cluster import Pod
from benchmarks.strategies._through_discovery import ThroughDiscovery


class Kubernetes(ThroughDiscovery):
    follows_s = 0.25
    watches_api = True

    def address(self, wire: Wire, pods: Sequence[Pod], forwarder: str | None) -> str:  # noqa: ARG002 - the API server knows them
        return f"kubernetes:///echo.default:{wire}"


STRATEGY = Kubernetes()
