"""Which pods the EndpointSlices list, followed through their changes, with the moment at which that began to change."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from .kinds import ENDPOINT_SLICE, Object, key_of
from .mirror import Mirror
from .store import Store


class Course(ABC):
    """What becomes of a namespace's EndpointSlices; `slices` are those after the last change that was given."""

    slices: Iterable[Object]

    @abstractmethod
    def changes(self) -> AsyncGenerator[float, None]:
        """For each change `time.monotonic()` at which it happened."""


class Written(Course):
    """As they are written to a store, from the construction on."""

    def __init__(self, store: Store, namespace: str) -> None:
        self._watch = store.watch(ENDPOINT_SLICE, namespace)
        self._slices = {key_of(piece): piece for piece in store.list(ENDPOINT_SLICE, namespace)}
        self.slices = self._slices.values()

    async def changes(self) -> AsyncGenerator[float, None]:
        while True:
            await self._watch.wait()
            for event in self._watch.take():
                if event.type == "DELETED":
                    self._slices.pop(key_of(event.object))
                else:
                    self._slices[key_of(event.object)] = event.object
                yield event.committed_at


class Told(Course):
    """As a mirror is told of them by its watch, for which `note` is to be called after every change."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self.slices = tuple(mirror.objects.values())
        self._changes: asyncio.Queue[tuple[float, tuple[Object, ...]]] = asyncio.Queue()

    def note(self) -> None:
        self._changes.put_nowait((time.monotonic(), tuple(self._mirror.objects.values())))

    async def changes(self) -> AsyncGenerator[float, None]:
        while True:
            moment, self.slices = await self._changes.get()
            yield moment


async def until(course: Course, pods: set[str], *, present: bool) -> float:
    """Wait until all the pods are listed as ready, or none is listed at all.

    Returns `time.monotonic()` of the first change of how many of them are; now, if none had to.
    """
    wanted = len(pods) if present else 0
    found, first = _listed(course.slices, pods, ready=present), time.monotonic()
    if found == wanted:
        return first
    began = False
    async with aclosing(course.changes()) as changes:
        async for moment in changes:
            before, found = found, _listed(course.slices, pods, ready=present)
            if not began and found != before:
                began, first = True, moment
            if found == wanted:
                break
    return first


def _listed(slices: Iterable[Object], pods: set[str], *, ready: bool) -> int:
    """How many of the pods are in slices, or only of those that are ready."""
    endpoints = [endpoint for piece in slices for endpoint in piece["endpoints"] or ()]
    chosen = (each for each in endpoints if (each.get("conditions") or {}).get("ready", True) or not ready)
    return len(pods & {(each.get("targetRef") or {}).get("name") for each in chosen})
