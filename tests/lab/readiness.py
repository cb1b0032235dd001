"""What EndpointSlices say of pods' readiness."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing

from benchmarks.lab.client import ApiClient
from benchmarks.lab.kinds import ENDPOINT_SLICE, Object


def selector_of(service: str) -> str:
    return f"kubernetes.io/service-name={service}"


def readiness(slices: Iterable[Object]) -> dict[str, bool]:
    """Pods, and whether they are ready."""
    return {
        endpoint["targetRef"]["name"]: endpoint["conditions"]["ready"]
        for piece in slices
        for endpoint in piece["endpoints"] or ()
    }


async def until_all_are(api: ApiClient, service: str, *, ready: bool) -> None:
    """Wait until all endpoints of a Service with one slice are ready, or none is."""
    now = await api.list(ENDPOINT_SLICE, "default", selector=selector_of(service))
    if set(readiness(now.items).values()) == {ready}:
        return
    changes = api.watch(ENDPOINT_SLICE, "default", version=now.version, selector=selector_of(service))
    async with aclosing(changes) as events:
        async for event in events:
            if set(readiness([event.object]).values()) == {ready}:
                return
