"""Which endpoints their outcomes speak against, and for how long: counters and a clock in, decisions out."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace


class Phase(enum.Enum):
    """Where an endpoint stands."""

    IN = "in"
    EJECTED = "ejected"
    PROBED = "probed"
    """The time is over; one request tries it before the rest follow."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The counters at one moment."""

    at: float
    successes: int
    failures: int


@dataclass(frozen=True, slots=True)
class Health:
    """What an endpoint's outcomes have come to.

    begin, middle  the window that its success rate is taken over, and where the next one begins
    ejections      in a row, each of which lasts longer than the one before
    readmitted_at  when the last of them ended
    """

    phase: Phase = Phase.IN
    begin: Mark | None = None
    middle: Mark | None = None
    ejections: int = 0
    readmitted_at: float = 0.0

    @property
    def ejected(self) -> bool:
        return self.phase is not Phase.IN

    @property
    def probed(self) -> bool:
        return self.phase is Phase.PROBED


UNKNOWN = Health()


@dataclass(frozen=True, slots=True)
class Outliers:
    """When an endpoint is ejected, and how it comes back. Immutable, to be shared between balancers.

    consecutive   so many failures in a row eject it (Envoy's and Finagle's 5)
    success_rate  so does a lower share of successes over `window_s` (Finagle's 0.8 over 30 s), of at least `volume`
                  requests (of the 5 that Finagle asks for, one unlucky pair is enough)
    first_s, longest_s  the first ejection, and the longest: doubled each time, with jitter of a half (Linkerd's 1 s to
                  60 s). Then one request tries the endpoint, and its success lets the rest follow.
    most          the share of endpoints that may be ejected at a time, at least one (Envoy's and gRFC A50's 10 %)
    panic_below   with a lower share of healthy endpoints than this, health is ignored and all are used: it is something
                  else that is wrong (Envoy's 50 %)
    penalty_s     how long after its last failure an endpoint counts as more loaded than it is, by one request for
                  each failure in a row (Linkerd takes a failure for an answer that took 5 s)
    """

    consecutive: int = 5
    success_rate: float = 0.8
    window_s: float = 30.0
    volume: int = 20
    first_s: float = 1.0
    longest_s: float = 60.0
    most: float = 0.1
    panic_below: float = 0.5
    penalty_s: float = 5.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("consecutive", 1, None),
            ("success_rate", 0, 1),
            ("window_s", 0.001, None),
            ("volume", 1, None),
            ("first_s", 0.001, None),
            ("longest_s", self.first_s, None),
            ("most", 0, 1),
            ("panic_below", 0, 1),
            ("penalty_s", 0, None),
        ):
            value = getattr(self, name)
            if value < low or (high is not None and value > high):
                bounds = f"at least {low}" if high is None else f"between {low} and {high}"
                raise ValueError(f"Outliers({name}={value}): it must be {bounds}")

    def cap(self, count: int) -> int:
        """How many of `count` endpoints may be ejected at a time."""
        return max(1, int(self.most * count))

    def in_panic(self, healthy: int, count: int) -> bool:
        """Whether so few are healthy that health is to be ignored."""
        return healthy < self.panic_below * count

    def failed(self, health: Health, consecutive: int, now: Mark, *, room: bool) -> Health:
        """After a failure that is counted in `now` already."""
        if health.phase is Phase.EJECTED:
            return health
        if health.phase is Phase.PROBED:
            return self._ejected(health, now.at)
        health = self._within_window(health, now)
        wrong = consecutive >= self.consecutive or self._rate_is_low(health.begin or now, now)
        return self._ejected(health, now.at) if wrong and room else health

    def due(self, health: Health) -> Health:
        """When the time of an ejection is over."""
        return replace(health, phase=Phase.PROBED) if health.phase is Phase.EJECTED else health

    def succeeded(self, health: Health, now: float) -> Health:
        """After a success; that of a request which began before an ejection means nothing."""
        return self.readmitted(health, now) if health.phase is Phase.PROBED else health

    def readmitted(self, health: Health, now: float) -> Health:
        """When it takes requests again; how often it was ejected is not forgotten at once."""
        return Health(ejections=health.ejections, readmitted_at=now)

    def duration_s(self, health: Health, random: float) -> float:
        """How long the ejection that has just begun lasts; `random` is from [0, 1)."""
        doubled_s = self.first_s * 2.0 ** min(health.ejections - 1, 30)
        return min(self.longest_s, doubled_s) * (1 - random / 2)

    def _within_window(self, health: Health, now: Mark) -> Health:
        """With the window moved on, in steps of a half; one that has passed begins anew after this failure."""
        begin, middle = health.begin, health.middle
        if begin is None or middle is None or now.at - middle.at > self.window_s:
            return replace(health, begin=now, middle=now)
        if now.at - middle.at > self.window_s / 2:
            return replace(health, begin=middle, middle=now)
        return health

    def _rate_is_low(self, begin: Mark, now: Mark) -> bool:
        successes, failures = now.successes - begin.successes, now.failures - begin.failures
        requests = successes + failures
        return requests >= self.volume and successes < self.success_rate * requests

    def _ejected(self, health: Health, now: float) -> Health:
        # An endpoint that did well for longer than any ejection lasts has begun anew.
        forgotten = health.phase is Phase.IN and now - health.readmitted_at > self.longest_s
        return Health(Phase.EJECTED, ejections=1 if forgotten else health.ejections + 1)
