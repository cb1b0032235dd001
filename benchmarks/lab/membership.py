"""Which pods the EndpointSlices list, followed in the store, with the moment at which that began to change."""

from __future__ import annotations

import time

from .kinds import ENDPOINT_SLICE, key_of
from .manifests import NAMESPACE
from .store import Store


class Membership:
    """Follows what is written to EndpointSlices, from its construction on."""

    def __init__(self, store: Store) -> None:
        self._watch = store.watch(ENDPOINT_SLICE, NAMESPACE)
        self._slices = {key_of(piece): piece for piece in store.list(ENDPOINT_SLICE, NAMESPACE)}

    async def until(self, pods: set[str], *, present: bool) -> float:
        """Wait until all the pods are listed as ready, or none is listed at all.

        Returns `time.monotonic()` of the first write that changed how many of them are; now, if none had to.
        """
        first: float | None = None
        wanted = len(pods) if present else 0
        while (found := self._listed(pods, ready=present)) != wanted:
            await self._watch.wait()
            for event in self._watch.take():
                if event.type == "DELETED":
                    self._slices.pop(key_of(event.object))
                else:
                    self._slices[key_of(event.object)] = event.object
                before, found = found, self._listed(pods, ready=present)
                if first is None and found != before:
                    first = event.committed_at
        return time.monotonic() if first is None else first

    def _listed(self, pods: set[str], *, ready: bool) -> int:
        """How many of the pods are in slices, or only of those that are ready."""
        endpoints = [endpoint for piece in self._slices.values() for endpoint in piece["endpoints"] or ()]
        chosen = (each for each in endpoints if each["conditions"]["ready"] or not ready)
        return len(pods & {(each.get("targetRef") or {}).get("name") for each in chosen})
