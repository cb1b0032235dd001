"""The changes of a store in their order, as many as are kept, and the readers that follow them."""

import asyncio
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Literal

from .kinds import Kind, Object, key_of
from .label_selectors import Selector
from .store_errors import ExpiredError

Change = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Event:
    """One committed change. A DELETED event's object is the last state, under the version of the deletion."""

    type: Change
    kind: Kind
    object: Object
    previous: Object | None
    version: int
    committed_at: float
    """`time.monotonic()` of the commit, in seconds."""

    def seen_through(self, selector: Selector) -> "Event | None":
        """The event for a reader who sees matching objects only: an object may come and go by its labels or fields."""
        now = self.type != "DELETED" and selector.selects(self.object)
        if self.previous is None or not selector.selects(self.previous):
            return replace(self, type="ADDED") if now else None
        if now:
            return self
        metadata = {**self.previous["metadata"], "resourceVersion": str(self.version)}
        return replace(self, type="DELETED", object={**self.previous, "metadata": metadata})


class History:
    """Up to `capacity` events with consecutive versions; the oldest make room for new ones."""

    def __init__(self, capacity: int) -> None:
        self.version = 1
        self._events: deque[Event] = deque(maxlen=capacity)
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()

    def commit(self, change: Change, kind: Kind, obj: Object, previous: Object | None) -> None:
        """Append a change under the next version and wake every reader."""
        self.version += 1
        self._events.append(Event(change, kind, obj, previous, self.version, time.monotonic()))
        for watch in self._watches:
            watch.wake()

    def after(self, version: int) -> tuple[Event, ...]:
        """Every event later than `version`, oldest first; raises `ExpiredError`."""
        behind = self.version - version
        if behind > len(self._events):
            oldest = self.version - len(self._events)
            raise ExpiredError(f"too old resource version: {version} ({oldest})")
        return tuple(self._events[index] for index in range(-behind, 0))

    def compact(self) -> None:
        """Forget all events; only readers that have seen them all can go on."""
        self._events.clear()

    def undo(self, changes: int) -> list[Event]:
        """Take back the last changes, as many as are kept, newest first, and their versions; readers begin again."""
        undone = [self._events.pop() for _ in range(min(changes, len(self._events)))]
        self.version -= len(undone)
        for watch in self._watches:
            watch.lose_track()
        return undone

    def watch(self, kind: Kind, namespace: str | None, selector: Selector, version: int) -> "Watch":
        """A reader of what comes after `version`."""
        watch = Watch(self, kind, namespace, selector, version)
        self._watches.add(watch)
        return watch


class Watch:
    """A reader: no more than a place in the history, so that a slow one costs no memory and holds up no writer.

    Iterate it (`async for event in watch`), or take what is there and wait for more, where something
    else has to happen in between. Both raise `ExpiredError` once the reader has fallen behind the history.
    """

    def __init__(self, history: History, kind: Kind, namespace: str | None, selector: Selector, version: int) -> None:
        self.version = version
        self.closed = False
        self._history = history
        self._kind = kind
        self._namespace = namespace
        self._selector = selector
        self._woken = asyncio.Event()

    @property
    def ahead(self) -> bool:
        """Whether it begins at a version that is yet to come: it is silent until then, as with a real server."""
        return self.version > self._history.version

    def take(self) -> list[Event]:
        """The events since the last call, oldest first; afterwards `version` is the latest."""
        if self.version >= self._history.version:
            return []
        events = self._history.after(self.version)
        self.version = self._history.version
        return [
            seen
            for event in events
            if event.kind == self._kind
            and self._namespace in {None, key_of(event.object)[0]}
            and (seen := event.seen_through(self._selector))
        ]

    async def wait(self) -> None:
        """Return once something has changed since the last call, or the watch has been closed."""
        await self._woken.wait()
        self._woken.clear()

    def wake(self) -> None:
        """Called upon every commit."""
        self._woken.set()

    def lose_track(self) -> None:
        """Have the next `take` raise `ExpiredError`."""
        self.version = -1
        self.wake()

    def close(self) -> None:
        """End the iteration, and a wait that is under way."""
        self.closed = True
        self._woken.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while not self.closed:
            for event in self.take():
                yield event
            await self.wait()
