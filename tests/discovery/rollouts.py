"""A Deployment of the lab that is rolled over while a client calls it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from benchmarks.lab import manifests
from benchmarks.lab.kinds import DEPLOYMENT
from benchmarks.lab.manifests import NAMESPACE
from tests.conftest import Lab

_numbers = itertools.count()


class Rolled:
    """A Deployment and Service of three pods; `name` is both their names."""

    def __init__(self, lab: Lab, arguments: list[str]) -> None:
        self.name = f"rolled-{next(_numbers)}"
        self._lab = lab
        body = manifests.deployment(self.name, 3)
        body["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        body["spec"]["template"]["spec"]["containers"][0]["args"] = arguments
        lab.call(lab.cluster.create_service, self.name)
        lab.call(lab.cluster.api.create, DEPLOYMENT, NAMESPACE, body)

    async def complete(self) -> None:
        """Wait until all pods are there, ready, and of the newest template."""
        await asyncio.to_thread(self._lab.call, self._complete)

    async def restart(self, number: int) -> None:
        """As `kubectl rollout restart` does it; returns when it is complete."""
        annotations = {"kubectl.kubernetes.io/restartedAt": str(number)}
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        await asyncio.to_thread(self._lab.call, self._lab.cluster.api.patch, DEPLOYMENT, NAMESPACE, self.name, patch)
        await self.complete()

    def delete(self) -> None:
        self._lab.call(self._lab.cluster.api.delete, DEPLOYMENT, NAMESPACE, self.name)

    async def _complete(self) -> None:
        api = self._lab.cluster.api
        listed = await api.list(DEPLOYMENT, NAMESPACE)
        if any(_is_complete(each) for each in listed.items if each["metadata"]["name"] == self.name):
            return
        async with contextlib.aclosing(api.watch(DEPLOYMENT, NAMESPACE, version=listed.version)) as events:
            async for event in events:
                if event.object["metadata"].get("name") == self.name and _is_complete(event.object):
                    return


def _is_complete(deployment: Any) -> bool:
    status = deployment.get("status") or {}
    counts = [status.get(name) for name in ("replicas", "updatedReplicas", "readyReplicas")]
    return status.get("observedGeneration") == deployment["metadata"]["generation"] and counts == [3, 3, 3]


@contextlib.asynccontextmanager
async def offered(rate: float, call: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """While the block runs, a call is begun at this rate, whatever becomes of those before; then all are waited for."""
    loop, over, calls = asyncio.get_running_loop(), False, set[asyncio.Future[None]]()

    async def offer() -> None:
        begin = loop.time()
        for number in itertools.count():
            await asyncio.sleep(begin + number / rate - loop.time())
            if over:
                return
            begun = asyncio.ensure_future(call())
            calls.add(begun)
            begun.add_done_callback(calls.discard)

    offering = asyncio.ensure_future(offer())
    try:
        yield
    finally:
        over = True
        await offering
        await asyncio.gather(*calls)
