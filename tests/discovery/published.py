"""What a watch publishes, on time that is skipped."""

from __future__ import annotations

import asyncio
from bisect import bisect_right

from discovery.model import Snapshot
from discovery.resolvers.kubernetes import KubernetesResolver
from discovery.runtime import Watch
from tests.discovery.api_stand_in import StandIn
from tests.discovery.recordings import Addresses
from tests.discovery.skipped_time import runtime_on_this_loop

HOLD_S = 0.02
"""How long a resolver keeps what has left its slice, unless it is told otherwise."""


class Published:
    """All sets, each with its time, and all errors."""

    def __init__(self) -> None:
        self.sets: list[tuple[float, Snapshot]] = []
        self.failures: list[str] = []

    def update(self, snapshot: Snapshot) -> None:
        self.sets.append((asyncio.get_running_loop().time(), snapshot))

    def fail(self, why: str) -> None:
        self.failures.append(why)

    def expire(self, why: str) -> None:
        raise AssertionError(why)

    def at(self, now_s: float) -> Snapshot:
        """The newest at a time."""
        return self.sets[bisect_right(self.sets, now_s, key=lambda each: each[0]) - 1][1]

    def hosts(self) -> list[list[str]]:
        """Of each set that differs from the one before."""
        found = [[each.host for each in snapshot.endpoints] for _, snapshot in self.sets]
        return [each for before, each in zip([None, *found], found, strict=False) if each != before]


async def published(server: StandIn, over: asyncio.Event) -> Published:
    """All that a watch with the defaults publishes until `over`, and then for as long as something may be held."""
    sink = Published()
    async with server.serving() as configuration:
        with runtime_on_this_loop():
            watch = Watch(KubernetesResolver("echo", "http", namespace="shop", config=configuration), sink)
        await over.wait()
        await asyncio.sleep(2 * HOLD_S)
        watch.close()
    return sink


def addresses(snapshot: Snapshot) -> Addresses:
    found = {(each.host, each.port) for each in snapshot.endpoints}
    assert len(found) == len(snapshot.endpoints), f"something is in it twice: {snapshot}"
    return found
