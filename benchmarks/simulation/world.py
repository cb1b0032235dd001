"""Servers, clients and the requests between them, in a time that passes as fast as it can be computed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from benchmarks.simulation.server import WORK_S, WORKERS, Request, Server
from discovery.balancing import Balancing
from discovery.model import Snapshot
from discovery.node import Node
from discovery.policies import Policy
from discovery.pool import Pool
from discovery.testing import FakeClock

Dice = Callable[[], float]
"""A source of floats in [0, 1)."""
HOT = "hot"


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that come at random, however the earlier ones fare: a Poisson process, an open loop.

    rate_rps  of all clients together, of whom each is as likely as the next to be the one
    batch     so many at once from one client, as of a page that makes ten calls; fewer moments, the same rate
    hot       the share of requests that have one and the same key; the keys of the others are a thousand
    bad       the share of requests that fail wherever they go
    """

    rate_rps: float
    batch: int = 1
    hot: float = 0.0
    bad: float = 0.0

    def key(self, throw: float) -> str:
        """For policies that hash."""
        return HOT if throw < self.hot else f"{(throw - self.hot) / (1 - self.hot):.3f}"


class World:
    """Servers, and clients that pick among them, each with a `Pool` of its own.

    The same seed gives the same requests: moments, clients, work and keys, whatever the policies. Each client throws
    dice of its own, so that its picks do not change what comes.

    slowness  a server for each
    zones     theirs, in turn
    """

    def __init__(self, seed: str, slowness: Sequence[float], zones: Sequence[str] = ("",)) -> None:
        self.clock = FakeClock()
        self.servers = tuple(
            Server(number, self.clock, slowness=factor, zone=zones[number % len(zones)])
            for number, factor in enumerate(slowness)
        )
        self.clients: list[Pool] = []
        self.requests: list[Request] = []
        self._seed = seed
        self._at = {server.endpoint.address: server for server in self.servers}

    @property
    def capacity_rps(self) -> float:
        """What the servers can do together."""
        return sum(WORKERS / (WORK_S * server.slowness) for server in self.servers)

    def join(self, policy: Callable[[Dice], Policy], balancing: Balancing | None = None) -> Pool:
        """One more client; it knows all servers."""
        dice = random.Random(f"{self._seed} client {len(self.clients)}").random
        client = Pool(policy(dice), clock=self.clock, balancing=balancing, connector=self, random=dice)
        self.clients.append(client)
        self.tell(client)
        return client

    def tell(self, client: Pool, *, without: Collection[Server] = ()) -> None:
        """The client hears of all servers but these."""
        client.update(Snapshot(tuple(server.endpoint for server in self.servers if server not in without)))

    def open(self, node: Node) -> bool:
        node.connection = self._at[node.endpoint.address]
        return True

    def close(self, node: Node) -> None:
        pass

    def run(self, traffic: Traffic, seconds: float) -> None:
        """Let requests come for so long, then wait for the last answer: none is left out for being slow."""
        dice = random.Random(f"{self._seed} traffic").random
        clock, clients = self.clock, self.clients
        until, gap_s = clock.now + seconds, traffic.batch / traffic.rate_rps
        while True:
            clock.advance(-math.log(1 - dice()) * gap_s)
            if clock.now > until:
                break
            client = clients[int(dice() * len(clients))]
            for _ in range(traffic.batch):
                self._send(client, -math.log(1 - dice()) * WORK_S, traffic.key(dice()), dice() < traffic.bad)
        for request in self.requests:
            while not request.answered:
                clock.advance(1.0)

    def _send(self, client: Pool, work_s: float, key: str, bad: bool) -> None:
        lease = client.pick(key)
        assert lease is not None
        request = Request(self.clock.now, work_s, key, bad, lease)
        self.requests.append(request)
        lease.node.connection.take(request)
