"""An API server that a kubeconfig names, as a cluster's control plane: its controllers, and nodes that stand for ours.

A namespace of our own, and three nodes that no scheduler gives anything to. Their Leases are renewed as kubelets do,
or the node controller would call their pods unready; and the pods are theirs, or the pod collector would remove them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

import httpx

from . import runs
from .background import together
from .client import ApiClient, ApiError
from .container_log import PodLogs
from .control_plane import ControlPlane
from .errors import LabError
from .kinds import LEASE, NAMESPACE, NODE
from .membership import Course, Told
from .mirror import Mirror
from .surroundings import LAUNCHER, Surroundings

_RENEWAL_S: Final = 10.0
_REMOVAL_S: Final = 30.0


class ForeignControlPlane(ControlPlane):
    """What it makes is removed with the block, and so is what dead runs have left, of which `say` is told.

    name        the run's, and its namespace's
    api         to which it is no failure that what is to be deleted is gone
    kubeconfig  a file for clients, whose context's namespace is the run's
    """

    is_foreign = True
    faults = None

    def __init__(self, name: str, api: ApiClient, kubeconfig: Path, say: Callable[[str], None]) -> None:
        self.api = api
        self.namespace = name
        self.nodes = dict(zip(runs.nodes_of(name), runs.ZONES, strict=True))
        self.kubeconfig = kubeconfig
        self.logs = PodLogs()
        self._say = say
        self._behind = timedelta()  # our clock, compared with the server's

    @asynccontextmanager
    async def running(self, folder: Path, surroundings: Surroundings) -> AsyncIterator[None]:  # noqa: ARG002
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._remove)
            try:
                await self._make_namespace()
            except ApiError:
                stack.pop_all()  # nothing has been made
                raise
            await together(self._make_node(name, zone) for name, zone in self.nodes.items())
            for run in await runs.left_behind(self.api, self._now()):
                await runs.remove(self.api, run)
                self._say(f"Removed what a run that was killed had left: namespace {run} and its nodes.")
            yield

    def work(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        return {"renewal of the nodes' Leases": self._renew()}

    def credentials(self, folder: Path) -> None:
        """Pods of others are none of ours, even if somebody puts them on our nodes."""

    @contextmanager
    def course(self, slices: Mirror) -> Iterator[Course]:
        told = Told(slices)
        with slices.telling(told.note):
            yield told

    async def _make_namespace(self) -> None:
        notes = {
            "host": platform.node(),
            "process": os.environ.get(LAUNCHER, ""),
            "started": datetime.now(UTC).isoformat(),
        }
        made = await self.api.create(NAMESPACE, "", runs.namespace(self.namespace, notes))
        self._behind = datetime.fromisoformat(made["metadata"]["creationTimestamp"]) - datetime.now(UTC)

    async def _make_node(self, name: str, zone: str) -> None:
        node = await self.api.create(NODE, "", runs.node(self.namespace, name, zone))
        await self.api.create(LEASE, runs.LEASES, runs.lease(self.namespace, node, self._now()))
        await self.api.patch_status(NODE, node, runs.node_status())

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._behind

    async def _renew(self) -> NoReturn:
        while True:
            await asyncio.sleep(_RENEWAL_S)
            try:
                await together(
                    self.api.patch(LEASE, runs.LEASES, name, {"spec": runs.renewal(self._now())}) for name in self.nodes
                )
            except ApiError as error:
                if error.code == 404:
                    raise LabError(f"somebody has removed the nodes of {self.namespace}: {error}") from None
            except httpx.TransportError:
                continue  # it may come back before the nodes count as dead

    async def _remove(self) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_REMOVAL_S):
                await runs.remove(self.api, self.namespace)
                return
        self._say(f"This is left behind, until the next run removes it: {runs.by_hand(self.namespace)}")
