"""`--local-pods`: the lab's nodes, DNS, pods and clients with the API server that a kubeconfig names."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import kubeconfig, rights
from benchmarks.kubeconfig import Door
from benchmarks.lab import launcher, runs
from benchmarks.lab.control_plane import ControlPlane
from benchmarks.lab.errors import LabError
from benchmarks.lab.foreign import ForeignControlPlane
from benchmarks.lab.kinds import ENDPOINT_SLICE, LEASE, NAMESPACE, NODE, POD, SERVICE
from benchmarks.lab.passage import Passage
from benchmarks.lab.patient import PatientClient
from benchmarks.lab.surroundings import KUBECONFIG
from benchmarks.plan import LocalPods
from benchmarks.rights import Right

RIGHTS = (
    *(Right(verb, NAMESPACE) for verb in ("create", "delete", "list")),
    *(Right(verb, NODE) for verb in ("create", "delete", "list")),
    Right("patch", NODE, "status"),
    *(Right(verb, LEASE, namespace=runs.LEASES) for verb in ("create", "delete", "list", "patch")),
    *(Right(verb, SERVICE) for verb in ("create", "delete", "list", "watch")),
    *(Right(verb, POD) for verb in ("create", "delete", "list", "patch", "watch")),
    Right("patch", POD, "status"),
    *(Right(verb, ENDPOINT_SLICE) for verb in ("list", "watch")),
)


def way_out(wanted: LocalPods) -> Passage:
    """Outside: the way to the API server. Raises LabError where there is none, or no lab from which it could lead."""
    launcher.require_namespaces()
    return kubeconfig.passage(wanted.kubeconfig, wanted.context, runs.new_name())


@dataclass(frozen=True, slots=True)
class Reached:
    """An API server that lets us do what is needed. `version` is what it says that it is."""

    version: str
    door: Door
    file: Path

    def told(self) -> AbstractContextManager[None]:
        """Have what it does to us later be said in one line, by a LabError."""
        return kubeconfig.told(self.door)

    def control_plane(self, say: Callable[[str], None]) -> ControlPlane:
        """What is removed there, and what could not be, is said."""
        return ForeignControlPlane(self.door.namespace, PatientClient.of(self.door.client), self.file, say)


@asynccontextmanager
async def reached() -> AsyncIterator[Reached]:
    """Inside: what is at the end of the passage, where nothing is made yet. Raises LabError, in one line."""
    file, door = _given()
    async with door.client as api:
        with kubeconfig.told(door):
            version = str((await api.read("/version"))["gitVersion"])
            await rights.check(api, door.namespace, RIGHTS, "docs/comparison.md lists all that it takes")
        yield Reached(version, door, file)


def _given() -> tuple[Path, Door]:
    """The kubeconfig that came through the passage, and who asks by it."""
    if KUBECONFIG not in os.environ:
        raise LabError("this is inside a lab already, from which nothing leads out: run --local-pods outside")
    file = Path(os.environ[KUBECONFIG])
    (cluster,) = json.loads(file.read_text())["clusters"]
    return file, kubeconfig.door(file, None)._replace(url=cluster["name"])
