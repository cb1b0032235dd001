"""Which endpoints and nodes are candidates at all: pure functions, applied in order by the Pool.

Of endpoints, where what is left out is not even connected to: `hinted`, `subset`. Of nodes, by what is known of them
at the moment: `ready`, `healthy`, `near`.
"""

from __future__ import annotations

import functools
import hashlib
import heapq
from collections.abc import Iterable, Sequence
from typing import TypeVar

from discovery.model import Endpoint
from discovery.node import Node
from discovery.outliers import Outliers, Phase

T = TypeVar("T")


def hinted(endpoints: Sequence[Endpoint], node: str, zone: str) -> Sequence[Endpoint]:
    """Those that Kubernetes' topology hints mean for a client here, as kube-proxy reads them (KEP-2433, KEP-4444).

    The endpoints for our node, if each endpoint has a hint of nodes and one of them ours; else those for our zone
    likewise; else all.
    """
    if node and all(each.for_nodes for each in endpoints):
        ours = [each for each in endpoints if node in each.for_nodes]
        if ours:
            return ours
    if zone and all(each.for_zones for each in endpoints):
        return [each for each in endpoints if zone in each.for_zones] or endpoints
    return endpoints


def subset(endpoints: Sequence[Endpoint], size: int, identity: str) -> Sequence[Endpoint]:
    """The `size` endpoints that rendezvous hashing gives to this client, in their order.

    Many clients are spread evenly over the endpoints, and a change moves no more than it must: an endpoint that goes
    is replaced by one, and one that comes takes the place of one at most (Thaler and Ravishankar 1998; gRFC A68).
    """
    if len(endpoints) <= size:
        return endpoints
    scores = [_score(identity, each.host, each.port) for each in endpoints]
    chosen = sorted(heapq.nlargest(size, range(len(endpoints)), key=scores.__getitem__))
    return [endpoints[at] for at in chosen]


def ready(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Those whose adapter says that they can take requests."""
    return tuple([node for node in nodes if node.ready])


def healthy(nodes: tuple[Node, ...], outliers: Outliers | None) -> tuple[Node, ...]:
    """Those that neither their outcomes nor an active check speak against; in a panic all of them."""
    well = tuple([node for node in nodes if node.health.phase is _IN and not node.sick])
    if len(well) == len(nodes) or (outliers or _USUAL).in_panic(len(well), len(nodes)):
        return nodes
    return well


def near(healthy: tuple[Node, ...], known: Iterable[Node], zone: str, identity: str) -> tuple[Node, ...]:
    """Those of our zone, and of the others as many as it lacks of a zone's fair share.

    Clients are taken to be spread evenly over the zones, so each zone has to bear an equal part of the load. One
    with fewer endpoints, or fewer healthy ones, borrows: other endpoints, by rendezvous hashing, so that those who
    borrow do not all turn to the same ones.

    healthy  the candidates
    known    all nodes, which say what zones there are
    """
    zones = {node.endpoint.zone for node in known} - {""}
    if zone not in zones:
        return healthy
    ours = tuple([node for node in healthy if node.endpoint.zone == zone])
    missing = -(-len(healthy) // len(zones)) - len(ours)
    if missing <= 0:
        return ours
    others = [node for node in healthy if node.endpoint.zone != zone]
    return ours + tuple(
        heapq.nlargest(missing, others, key=lambda node: _score(identity, node.endpoint.host, node.endpoint.port))
    )


_USUAL = Outliers()
_IN = Phase.IN


@functools.lru_cache(maxsize=65_536)
def _score(identity: str, host: str, port: int) -> bytes:
    return hashlib.blake2b(f"{identity}\n{host}\n{port}".encode(), digest_size=8).digest()
