"""What happens to the EndpointSlices that the API server has; pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from benchmarks.watching.slices import FULL, Object, compact, conditions, endpoint, endpoint_slice, slice_list

LISTED = 1000
"""The version of the list. Each event has the next one, so that a version tells how many of them have been seen."""

Change = Literal["condition", "addition"]

_ROOM = 10
"""Endpoints that are added, one with each event, before they are all removed again."""
_LETTING_GO_S = 0.05
"""More than the time for which our client keeps an endpoint that has left its slice."""


class Event(NamedTuple):
    """One MODIFIED.

    line     as it is on the wire
    pause_s  how long the server waits before it
    counted  whether its latency is measured
    """

    version: int
    line: bytes
    pause_s: float
    counted: bool


class Play(NamedTuple):
    """All that one Service goes through: the body of a LIST, what comes then, and how many are ready at its end."""

    listed: bytes
    events: tuple[Event, ...]
    ready: int


@dataclass(frozen=True, slots=True)
class Course:
    """Services that are alike, and the events of each.

    slices    of each Service
    each      endpoints in a slice
    alone     events that come one at a time, each after the set of the one before has been published
    together  events that come at once, after those
    pause_s   before each of those that come alone
    change    what an event is: an endpoint that ceases to be ready or is so again, or one that is added. After ten
              additions to a slice that has room for them an event that removes them follows, which is not counted
    """

    slices: int
    each: int = FULL
    services: int = 1
    alone: int = 0
    together: int = 0
    pause_s: float = 0.0
    change: Change = "condition"

    @classmethod
    def counting(cls, changes: int, *, slices: int, change: Change, pause_s: float) -> Self:
        """One with so many events that count, all of them alone."""
        removals = changes // _ROOM if change == "addition" else 0
        return cls(slices, alone=changes + removals, pause_s=pause_s, change=change)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the Services."""
        return tuple(f"orders-{number}" for number in range(self.services))

    @property
    def last(self) -> int:
        """The version of the last event."""
        return LISTED + self.alone + self.together

    def play(self, service: str) -> Play:
        """What the server needs for one of the Services."""
        total = self.slices * self.each
        state = [[endpoint(first + number) for number in range(self.each)] for first in range(0, total, self.each)]
        if self.change == "addition":
            del state[-1][-_ROOM:]

        def item(number: int, version: int) -> Object:
            return endpoint_slice(service, number, version, state[number])

        listed = compact(slice_list(LISTED, [item(number, LISTED) for number in range(self.slices)]))
        changes = _conditions(state) if self.change == "condition" else _additions(state)
        events = []
        for version, change in zip(range(LISTED + 1, self.last + 1), changes, strict=False):
            line = compact({"type": "MODIFIED", "object": item(change.slice, version)}) + b"\n"
            events.append(Event(version, line, change.pause_s or self.pause_s, change.counted))
        return Play(listed, tuple(events), sum(each["conditions"]["ready"] for one in state for each in one))


class _Changed(NamedTuple):
    """The number of the slice that is not what it was, and what is special about that."""

    slice: int
    pause_s: float = 0.0
    counted: bool = True


def _conditions(state: list[list[Object]]) -> Iterator[_Changed]:
    for number in itertools.count():
        of, place = number % len(state), number // len(state) % len(state[0])
        for ready in (False, True):
            state[of][place]["conditions"] = conditions(ready=ready)
            yield _Changed(of)


def _additions(state: list[list[Object]]) -> Iterator[_Changed]:
    fresh = itertools.count(len(state) * len(state[0]))
    of = len(state) - 1
    while True:
        for added in range(_ROOM):
            state[of].append(endpoint(next(fresh)))
            yield _Changed(of, pause_s=0.0 if added else _LETTING_GO_S)
        del state[of][-_ROOM:]
        yield _Changed(of, counted=False)
