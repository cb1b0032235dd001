"""`kubernetes`: client-side, the Service's EndpointSlices watched."""

from benchmarks.arm import Wire
from benchmarks.strategies import Place
from benchmarks.strategies._through_discovery import ThroughDiscovery


class Kubernetes(ThroughDiscovery):
    follows_s = 0.25
    watches_api = True

    def address(self, wire: Wire, place: Place) -> str:
        return f"kubernetes:///echo.{place.namespace}:{wire}"


STRATEGY = Kubernetes()
