"""The embedded cluster: API server, controllers, Service data plane, DNS and pods, as one object."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from . import accepted, manifests, nft, rules
from .api import ApiServer
from .background import Background, together
from .client import ApiClient
from .dataplane import DataPlane
from .errors import LabError
from .inside import INSIDE
from .kinds import ENDPOINT_SLICE, POD, SERVICE, key_of
from .manifests import GRPC_PORT, HTTP_PORT, NAMESPACE, SERVICE_GRPC_PORT, SERVICE_HTTP_PORT
from .mirror import Mirror
from .nameserver import NameServer
from .network import API_SERVER
from .pods import Kubelet, Pod, PodSettings
from .slices import run_slice_controller
from .store import Store

__all__ = ["GRPC_PORT", "HTTP_PORT", "SERVICE_GRPC_PORT", "SERVICE_HTTP_PORT", "Cluster", "Pod", "PodSettings"]

_API_PORT: Final = 6443
_DNS_POD: Final = "10.64.0.2"
_FIRST_POD: Final = IPv4Address("10.64.0.10")
_FIRST_CLUSTER_IP: Final = IPv4Address("10.96.0.20")
_ZONES: Final = {"node-0": "zone-a", "node-1": "zone-b", "node-2": "zone-c"}
_NODES: Final = tuple(_ZONES)
_SETTLE_S: Final = 30.0
_USUAL: Final = PodSettings()

T = TypeVar("T")


class Cluster:
    """A cluster for as long as the `async with` block lasts; must be used inside the lab's namespaces.

    Every method raises LabError if what it waits for does not come about. A part of the cluster that fails, a pod
    that ends by itself say, cancels the block, which then raises the failure.

    kubeconfig: a file for clients; its context's namespace is `default`.
    api: a client of the API server.
    """

    kubeconfig: Path
    api: ApiClient

    async def __aenter__(self) -> Self:
        if os.environ.get(INSIDE) != "1":
            raise LabError("a lab cluster runs only in the lab's namespaces: enter them with benchmarks.lab.launcher")
        self._started: dict[Pod, str] = {}  # every pod so far, with the Service that it is meant for
        self._numbers: Counter[str] = Counter()  # pods so far by Service
        self._addresses = map(str, map(IPv4Address, itertools.count(int(_FIRST_POD))))
        self._cluster_ips = map(str, map(IPv4Address, itertools.count(int(_FIRST_CLUSTER_IP))))
        async with AsyncExitStack() as stack:
            try:
                await self._start(stack)
            except OSError as error:
                raise LabError(f"the cluster cannot start ({error}): does another cluster run here?") from None
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(error_type, error, traceback)

    async def _start(self, stack: AsyncExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-")))
        token = secrets.token_urlsafe()
        self._store = Store()
        server = ApiServer(self._store, host=str(API_SERVER.ip), port=_API_PORT, tokens={token})
        await stack.enter_async_context(server)
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(manifests.kubeconfig(server.url, token), indent=1))
        self.api = await stack.enter_async_context(ApiClient(server.url, token))

        def changed() -> None:
            self._dataplane.refresh()
            self._nameserver.refresh()

        services = Mirror(self.api, SERVICE, changed)
        slices = Mirror(self.api, ENDPOINT_SLICE, changed)
        self._dataplane = DataPlane(services, slices)
        self._nameserver = NameServer(lambda: (services.objects.values(), slices.objects.values()))
        await stack.enter_async_context(self._nameserver.serving(str(_DNS_POD)))
        await accepted.start()
        stack.push_async_callback(nft.load, rules.REMOVAL)

        self._background = await stack.enter_async_context(Background())
        self._background.start(services.run(), "mirror of Services")
        self._background.start(slices.run(), "mirror of EndpointSlices")
        self._background.start(run_slice_controller(self.api, _ZONES), "EndpointSlice controller")
        self._background.start(self._dataplane.run(), "data plane")
        self._kubelet = await stack.enter_async_context(Kubelet(self.api, self._background, folder))
        await self._expose_dns()

    async def create_service(self, name: str) -> str:
        """Create a Service of the pods labelled `app: NAME`, ports 80 and 9080; returns its ClusterIP."""
        cluster_ip = next(self._cluster_ips)
        await self.api.create(SERVICE, NAMESPACE, manifests.service(name, cluster_ip))
        await self._settled(
            self._dataplane.until(lambda ports: any(port.cluster_ip == cluster_ip for port in ports)),
            f"the kernel has no rules for Service {name}",
        )
        return cluster_ip

    async def start_pods(
        self, service: str, count: int, settings: PodSettings = _USUAL, *, join: bool = True
    ) -> tuple[Pod, ...]:
        """Start pods NAME-0, NAME-1, ... in parallel, spread over nodes and zones; returns when each is healthy.

        With `join` they are also in the Service's slices and in the kernel's rules.
        """
        starts = [self._start_pod(service, settings) for _ in range(count)]
        pods = await self._background.wait(together(starts))
        self._started |= dict.fromkeys(pods, service)
        if join:
            await self.join(pods)
        return tuple(pods)

    async def join(self, pods: Sequence[Pod]) -> float:
        """Label pods as their Service's; returns `time.monotonic()` at which the slice that has them all was written.

        Afterwards the kernel's rules have them, too.
        """
        return await self._relabel(pods, present=True)

    async def leave(self, pods: Sequence[Pod]) -> float:
        """Take the label off again; the same for their removal."""
        return await self._relabel(pods, present=False)

    async def stop_pods(self, pods: Sequence[Pod]) -> None:
        """Delete pods as Kubernetes does: SIGTERM, and what is in flight may finish; returns when they are gone."""
        await self._background.wait(self._kubelet.stop(pods))

    async def kill_pods(self, pods: Sequence[Pod]) -> None:
        """End pods at once, by SIGKILL; returns when they are gone."""
        await self._background.wait(self._kubelet.kill(pods))

    async def connections(self) -> dict[str, int]:
        """Connections accepted so far by pod name, from the client pod's address only; counted by the kernel."""
        by_address = await accepted.read()
        return {pod.name: by_address.get(pod.address, 0) for pod in self._started}

    def dns_queries(self) -> int:
        """DNS queries answered so far."""
        return sum(self._nameserver.queries.values())

    def _start_pod(self, service: str, settings: PodSettings) -> Coroutine[Any, Any, Pod]:
        number = self._numbers[service]
        self._numbers[service] += 1
        node = _NODES[number % len(_NODES)]
        return self._kubelet.start(f"{service}-{number}", next(self._addresses), node, _ZONES[node], settings)

    async def _expose_dns(self) -> None:
        await self.api.create(SERVICE, manifests.DNS_NAMESPACE, manifests.dns_service())
        await self.api.create(POD, manifests.DNS_NAMESPACE, manifests.dns_pod(_NODES[0], _DNS_POD))
        await self._settled(self._written({_DNS_POD}, present=True), "the kernel has no rules for the DNS server")

    async def _relabel(self, pods: Sequence[Pod], *, present: bool) -> float:
        addresses = {pod.address for pod in pods}
        slices = _SliceReader(self._store)
        await together(
            self.api.patch(POD, NAMESPACE, pod.name, {"metadata": {"labels": self._labels(pod, present=present)}})
            for pod in pods
        )
        names = ", ".join(pod.name for pod in pods)
        verb = "join" if present else "leave"
        slices_settled = slices.until(addresses, present=present)
        moment = await self._settled(slices_settled, f"{names} did not {verb} the EndpointSlices")
        await self._settled(self._written(addresses, present=present), f"{names} did not {verb} the kernel's rules")
        return moment

    def _labels(self, pod: Pod, *, present: bool) -> dict[str, str | None]:
        """As a merge patch: null takes a label off."""
        return {label: value if present else None for label, value in manifests.pod_labels(self._started[pod]).items()}

    async def _written(self, addresses: set[str], *, present: bool) -> None:
        def holds(ports: Sequence[rules.ServicePort]) -> bool:
            hosts = {host for port in ports for host, _ in port.endpoints}
            return addresses <= hosts if present else addresses.isdisjoint(hosts)

        await self._dataplane.until(holds)

    async def _settled(self, work: Coroutine[Any, Any, T], failure: str) -> T:
        try:
            async with asyncio.timeout(_SETTLE_S):
                return await self._background.wait(work)
        except TimeoutError:
            raise LabError(f"{failure} within {_SETTLE_S:.0f} s") from None


class _SliceReader:
    """Follows what is written to EndpointSlices, from its construction on, with the moments of the writes."""

    def __init__(self, store: Store) -> None:
        self._watch = store.watch(ENDPOINT_SLICE, NAMESPACE)
        self._slices = {key_of(piece): piece for piece in store.list(ENDPOINT_SLICE, NAMESPACE)}

    async def until(self, addresses: set[str], *, present: bool) -> float:
        """Wait until all the addresses are listed as ready, or none is listed at all; returns when that was written."""
        moment = time.monotonic()
        while not self._lists(addresses, present=present):
            await self._watch.wait()
            for event in self._watch.take():
                if event.type == "DELETED":
                    self._slices.pop(key_of(event.object))
                else:
                    self._slices[key_of(event.object)] = event.object
                if self._lists(addresses, present=present):
                    return event.committed_at
        return moment

    def _lists(self, addresses: set[str], *, present: bool) -> bool:
        endpoints = [endpoint for piece in self._slices.values() for endpoint in piece["endpoints"] or ()]
        if present:
            return addresses <= {each["addresses"][0] for each in endpoints if each["conditions"]["ready"]}
        return addresses.isdisjoint(each["addresses"][0] for each in endpoints)
