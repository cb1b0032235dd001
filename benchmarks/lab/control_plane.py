"""What a cluster's nodes are told by and report to: an API server and the controllers on it, here the lab's own."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from . import certificates, manifests
from .access import BearerTokens
from .api import ApiServer
from .client import ApiClient
from .container_log import PodLogs
from .credentials import Credentials
from .deployment_controller import run_deployment_controller
from .endpoints_controller import run_endpoints_controller
from .faults import Faults
from .job_controller import run_job_controller
from .kinds import NODE
from .manifests import NAMESPACE
from .membership import Course, Written
from .mirror import Mirror
from .slice_controller import run_slice_controller
from .store import Store
from .surroundings import LOOPBACK, Surroundings

_ZONES: Final = {"node-0": "zone-a", "node-1": "zone-b", "node-2": "zone-c"}


class ControlPlane(ABC):
    """An API server, and controllers that write the EndpointSlices of Services.

    namespace   that of the Services and the pods
    nodes       their zones by their names
    is_foreign  whether it is there for others, too: then nothing outside of the namespace is ours
    kubeconfig  a file for clients; its context's namespace is `namespace`
    api         a client of the API server, which no fault meets
    faults      what it can be made to do wrong; None: nothing
    logs        where it looks for what pods have written
    """

    namespace: str
    nodes: Mapping[str, str]
    is_foreign: bool
    kubeconfig: Path
    api: ApiClient
    faults: Faults | None
    logs: PodLogs

    @abstractmethod
    def running(self, folder: Path, surroundings: Surroundings) -> AbstractAsyncContextManager[None]:
        """It is there, with the nodes, while the block lasts; files of its own are in the folder."""

    @abstractmethod
    def work(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """What has to go on for as long as the cluster does, by what it is."""

    @abstractmethod
    def course(self, slices: Mirror) -> AbstractContextManager[Course]:
        """What becomes of the EndpointSlices from now on; `slices` is a mirror of them."""

    @abstractmethod
    def credentials(self, folder: Path) -> Credentials | None:
        """What the pods are given that others have made; None where those are none of ours."""


class OwnControlPlane(ControlPlane):
    """In this process, in memory."""

    namespace = NAMESPACE
    nodes = _ZONES
    is_foreign = False

    @asynccontextmanager
    async def running(self, folder: Path, surroundings: Surroundings) -> AsyncIterator[None]:
        token = secrets.token_urlsafe()
        self._store = store = Store()
        for name, zone in _ZONES.items():
            store.create(NODE, "", manifests.node(name, zone))
        host, port = surroundings.api_host, surroundings.api_port
        files = certificates.issue(folder, host)
        tls = (files.certificate, files.key)
        self.faults, users, self.logs = Faults(), BearerTokens({token}), PodLogs()
        async with (
            ApiServer(store, host=host, port=port, tokens=users, tls=tls, faults=self.faults, logs=self.logs) as server,
            # The cluster itself goes by another door, where it is not met by the faults.
            ApiServer(store, host=LOOPBACK, port=0, tokens=users, logs=self.logs) as own,
            ApiClient(own.url, token) as self.api,
        ):
            self._url, self._authority = server.url, files.authority.read_bytes()
            self.kubeconfig = folder / "kubeconfig"
            self.kubeconfig.write_text(json.dumps(manifests.kubeconfig(self._url, token, self._authority), indent=1))
            yield

    def work(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        return {
            "EndpointSlice controller": run_slice_controller(self.api),
            "Endpoints controller": run_endpoints_controller(self.api),
            "Deployment controller": run_deployment_controller(self.api),
            "Job controller": run_job_controller(self.api),
        }

    def course(self, slices: Mirror) -> AbstractContextManager[Course]:  # noqa: ARG002 - the store knows more exactly
        return nullcontext(Written(self._store, self.namespace))

    def credentials(self, folder: Path) -> Credentials:
        return Credentials(self.api, self._url, self._authority, folder)
