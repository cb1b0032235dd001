"""A resolver that says what the test tells it to."""

from __future__ import annotations

from collections.abc import AsyncIterator

from discovery.model import Endpoint, Snapshot
from discovery.resolvers import Resolver
from discovery.runtime import LoopEvent


class ManualResolver(Resolver):
    """A resolver that says what the test tells it to: pending until the first `update` or `fail`.

    Both may be called from any thread; the newest of them is what every watch sees, also one begun later.
    """

    def __init__(self, *endpoints: Endpoint, names: tuple[str, ...] = ()) -> None:
        self.names = names
        self._watching: set[LoopEvent] = set()
        self._told: Snapshot | Exception | None = Snapshot(endpoints) if endpoints else None

    def update(self, *endpoints: Endpoint, note: str = "") -> None:
        """From now on the set is this one; without an endpoint it is empty."""
        self._tell(Snapshot(endpoints, note=note))

    def fail(self, error: Exception) -> None:
        """From now on resolving fails with this."""
        self._tell(error)

    def _tell(self, told: Snapshot | Exception) -> None:
        self._told = told
        for changed in tuple(self._watching):
            changed.set_threadsafe()

    async def watch(self) -> AsyncIterator[Snapshot]:
        changed = LoopEvent()
        self._watching.add(changed)
        try:
            while True:
                told = self._told
                if isinstance(told, Exception):
                    raise told
                if told is not None:
                    yield told
                await changed.wait()
                changed.clear()
        finally:
            self._watching.discard(changed)

    def __repr__(self) -> str:
        return "manual"
