"""How a balancer balances, as one immutable value."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field

from discovery.outliers import Outliers
from discovery.retries import RetryBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancing:
    """What can be said about balancing beside the policy; the defaults are right for most.

        Transport("kubernetes:///orders:http", balancing=Balancing(prefer_zone=True, subset=30))

    outliers       when an endpoint is kept from requests because of how they end; None: never
    node, zone     where we are, for topology hints and `prefer_zone`; "" is what NODE_NAME and NODE_ZONE of the
                   environment say (the downward API can set them)
    prefer_zone    where the target has no hints: send to our zone's endpoints, and as far as it lacks some to others
    subset         use so many endpoints, chosen by the identity; 0 is all (the SRE book recommends 20 to 100)
    identity       by which many clients choose different subsets; "" is the host's name and the process
    slow_start_s   how long an endpoint that joins gets less than its share
    max_in_flight  requests in flight per endpoint; a caller waits where all have so many. 0 is no limit
    max_waiting    callers that may wait, for the first set or for room; more raise `Overloaded`. 0 is no limit
    tries          for one request, the first included; adapters try again elsewhere what they may
    retry_budget   bounds retries; None is one of the balancer's own
    drain_s        how long what is in flight may go on at an endpoint that left (Envoy's 600 s)

    Raises `ValueError` for a number that makes no sense.
    """

    outliers: Outliers | None = field(default_factory=Outliers)
    node: str = ""
    zone: str = ""
    prefer_zone: bool = False
    subset: int = 0
    identity: str = ""
    slow_start_s: float = 0.0
    max_in_flight: int = 0
    max_waiting: int = 0
    tries: int = 3
    retry_budget: RetryBudget | None = None
    drain_s: float = 600.0

    def __post_init__(self) -> None:
        for name in ("subset", "slow_start_s", "max_in_flight", "max_waiting", "drain_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"Balancing({name}={getattr(self, name)}): it must not be negative")
        if self.tries < 1:
            raise ValueError(f"Balancing(tries={self.tries}): there is at least the first one")

    @property
    def our_node(self) -> str:
        return self.node or os.environ.get("NODE_NAME", "")

    @property
    def our_zone(self) -> str:
        return self.zone or os.environ.get("NODE_ZONE", "")

    @property
    def our_identity(self) -> str:
        return self.identity or f"{platform.node()}/{os.getpid()}"
