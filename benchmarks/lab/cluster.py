"""The embedded cluster: a control plane, and the nodes with pods, Service data plane and DNS, as one object."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from . import cuts, manifests, membership, rules
from .background import Background, together
from .client import ApiClient
from .control_plane import ControlPlane, OwnControlPlane
from .errors import LabError
from .faults import Faults
from .kinds import ENDPOINT_SLICE, POD, SERVICE, Object
from .manifests import GRPC_PORT, HTTP_PORT, SERVICE_GRPC_PORT, SERVICE_HTTP_PORT
from .nameserver import NameServer
from .network import DNS_POD
from .node_agent import NodeAgent
from .pod_settings import PodSettings
from .pods import Kubelet, Pod
from .service_network import ServiceNetwork
from .slices import MAX_ENDPOINTS
from .surroundings import LOOPBACK, USERSPACE, DataPlaneName, here
from .zone import TTL_S

__all__ = ["GRPC_PORT", "HTTP_PORT", "SERVICE_GRPC_PORT", "SERVICE_HTTP_PORT", "Cluster", "Pod", "PodSettings"]

_FIRST_POD: Final = IPv4Address("10.64.0.10")
_FIRST_WITHOUT_POD: Final = IPv4Address("10.64.128.0")
_SETTLE_S: Final = 30.0
_USUAL: Final = PodSettings()

T = TypeVar("T")


class Cluster:
    """A cluster for as long as the `async with` block lasts; must be used in a lab's surroundings.

    Every method raises LabError if what it waits for does not come about. A part of the cluster that fails, a pod
    that ends by itself say, cancels the block, which then raises the failure.

    dns_ttl_s: of what its DNS answers.
    control_plane: None is the lab's own.
    """

    def __init__(self, *, dns_ttl_s: int = TTL_S, control_plane: ControlPlane | None = None) -> None:
        self._dns_ttl_s = dns_ttl_s
        self._control_plane = control_plane or OwnControlPlane()
        self.namespace = self._control_plane.namespace

    async def __aenter__(self) -> Self:
        self._surroundings = here()
        self._started: dict[Pod, str] = {}  # every pod so far, with the Service that it is meant for
        self._numbers: Counter[str] = Counter()  # pods so far by Service
        self._addresses = map(str, map(IPv4Address, itertools.count(int(_FIRST_POD))))
        if self._surroundings is USERSPACE:
            self._addresses = map(str, itertools.repeat(LOOPBACK))
        self._unused = map(str, map(IPv4Address, itertools.count(int(_FIRST_WITHOUT_POD))))
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
        plane = self._control_plane
        await stack.enter_async_context(plane.running(folder, self._surroundings))
        self._network = ServiceNetwork(plane, self._surroundings, self._dns_ttl_s)
        await stack.enter_async_context(self._network.running())
        self._background = await stack.enter_async_context(Background())
        for name, work in {**self._network.work(), **plane.work()}.items():
            self._background.start(work, name)
        kubelet = Kubelet(self.api, self._background, folder / "pods", self._surroundings, plane.logs, self.namespace)
        self._kubelet = await stack.enter_async_context(kubelet)
        if credentials := plane.credentials(folder / "pods"):
            agent = NodeAgent(self.api, self._kubelet, self._background, credentials, self._addresses)
            self._background.start(agent.run(), "node agent")
            if self._surroundings is not USERSPACE:
                await self._expose_dns()

    @property
    def api(self) -> ApiClient:
        """A client of the API server, which no fault meets."""
        return self._control_plane.api

    @property
    def kubeconfig(self) -> Path:
        """A file for clients; its context's namespace is `namespace`."""
        return self._control_plane.kubeconfig

    @property
    def faults(self) -> Faults:
        """What the API server that the kubeconfig names does wrong; the cluster itself goes on all the while."""
        if self._control_plane.faults is None:
            raise LabError("an API server that is not the lab's own cannot be made to fail")
        return self._control_plane.faults

    async def create_service(self, name: str) -> str:
        """Create a Service of the pods labelled `app: NAME`, ports 80 and 9080; returns its ClusterIP."""
        created = await self.api.create(SERVICE, self.namespace, manifests.service(name))
        cluster_ip: str = created["spec"]["clusterIP"]
        await self._settled(
            self._network.dataplane.until(lambda ports: any(port.cluster_ip == cluster_ip for port in ports)),
            f"the kernel has no rules for Service {name}",
        )
        return cluster_ip

    @asynccontextmanager
    async def further_service(self, name: str, of: str, **spec: Any) -> AsyncIterator[Object]:
        """Another Service of the pods of one, for as long as the block lasts; gives it as the API server has it.

        `spec` is what it has otherwise: `type="NodePort"`, or `clusterIP="None"`.
        """
        created = await self.api.create(SERVICE, self.namespace, manifests.further_service(name, of, spec))
        try:
            await self._settled(self._network.until_exposed(name, of, created["spec"]), f"Service {name} is not served")
            yield created
        finally:
            await self.api.delete(SERVICE, self.namespace, name)
            await self._settled(self._network.until_gone(name), f"Service {name} still has slices")

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
        """Label pods as their Service's; returns `time.monotonic()` at which the first slice that has one was written.

        The first, since a client may know of it before the last is written. Afterwards the data plane has them all.
        """
        return await self._relabel(pods, present=True)

    async def leave(self, pods: Sequence[Pod]) -> float:
        """Take the label off again; the same for their removal."""
        return await self._relabel(pods, present=False)

    async def endpoints_without_pods(self, service: str, count: int) -> tuple[str, ...]:
        """Create a headless Service of ready endpoints, in slices of a hundred, where nothing listens; returns where.

        No controller touches the slices, and the data plane has nothing to do with them.
        """
        await self.api.create(SERVICE, self.namespace, manifests.headless_service(service))
        new = [(f"{service}-{address}", address) for address in itertools.islice(self._unused, count)]
        pieces = [new[begin : begin + MAX_ENDPOINTS] for begin in range(0, count, MAX_ENDPOINTS)]
        await together(
            self.api.create(ENDPOINT_SLICE, self.namespace, manifests.endpoint_slice(service, piece))
            for piece in pieces
        )
        return tuple(address for _name, address in new)

    async def stop_pods(self, pods: Sequence[Pod]) -> None:
        """Delete pods as Kubernetes does: SIGTERM, and what is in flight may finish; returns when they are gone."""
        await self._background.wait(self._kubelet.stop(pods))

    async def kill_pods(self, pods: Sequence[Pod]) -> None:
        """End pods at once, by SIGKILL; returns when they are gone."""
        await self._background.wait(self._kubelet.kill(pods))

    async def end_pods(self, pods: Sequence[Pod]) -> None:
        """End at once those that still run, whatever was done to them; returns when they are gone."""
        await self._background.wait(self._kubelet.kill([pod for pod in pods if self._kubelet.has(pod)]))

    async def freeze_pods(self, pods: Sequence[Pod]) -> None:
        """Halt pods' processes, by SIGSTOP: connections stay open, nothing answers, and probes make them unready."""
        self._kubelet.freeze(pods)

    async def thaw_pods(self, pods: Sequence[Pod]) -> None:
        """Let frozen pods go on; the probes make them ready again."""
        self._kubelet.thaw(pods)

    async def trouble_pods(self, pods: Sequence[Pod]) -> None:
        """Have pods fail or be slow from now on, as the provider's option `--trouble` says."""
        self._kubelet.trouble(pods)

    async def cut_off_pods(self, pods: Sequence[Pod]) -> None:
        """Lose every packet to and from pods without a sign of it; the kubelet's too, so that they become unready."""
        self._require_network()
        await self._background.wait(cuts.cut([pod.address for pod in pods]))

    async def reconnect_pods(self, pods: Sequence[Pod]) -> None:
        """End that for pods that are cut off; the probes make them ready again."""
        self._require_network()
        await self._background.wait(cuts.heal([pod.address for pod in pods]))

    async def connections(self) -> dict[str, int]:
        """Connections accepted so far by pod name; health probes are not in it.

        The kernel counts those that come from the client pod's address. In userspace there is only the forwarder to
        count, and what clients open to the pods themselves is not in it.
        """
        return await self._network.connections(self._started)

    @property
    def dataplane(self) -> DataPlaneName:
        """What stands in for kube-proxy."""
        return self._surroundings.dataplane

    def forwarder_address(self, service: str, port: str) -> str | None:
        """HOST:PORT of the forwarder for a Service's port, `http` or `grpc`; None where the ClusterIP serves."""
        return self._network.forwarder_address(service, port)

    async def until_served(self, holds: Callable[[Sequence[rules.ServicePort]], bool]) -> None:
        """Wait until the data plane serves ports of which the condition is true."""
        await self._settled(self._network.dataplane.until(holds), "the data plane does not serve what is waited for")

    @property
    def nameserver(self) -> NameServer:
        """The DNS server: what it was asked, by whom, and how to make it fail."""
        return self._network.nameserver

    def dns_queries(self) -> int:
        """DNS queries so far."""
        return sum(self._network.nameserver.queries.values())

    def _require_network(self) -> None:
        if self._surroundings is USERSPACE:
            raise LabError("pods cannot be cut off where all share 127.0.0.1: freeze them, or run in namespaces")

    def _start_pod(self, service: str, settings: PodSettings) -> Coroutine[Any, Any, Pod]:
        number = self._numbers[service]
        self._numbers[service] += 1
        node, zone = tuple(self._control_plane.nodes.items())[number % len(self._control_plane.nodes)]
        return self._kubelet.start(f"{service}-{number}", next(self._addresses), node, zone, settings)

    async def _expose_dns(self) -> None:
        await self.api.create(SERVICE, manifests.DNS_NAMESPACE, manifests.dns_service())
        node = next(iter(self._control_plane.nodes))
        await self.api.create(POD, manifests.DNS_NAMESPACE, manifests.dns_pod(node, DNS_POD))
        served = self._network.until_served({(DNS_POD, 53)}, present=True)
        await self._settled(served, "the kernel has no rules for the DNS server")

    async def _relabel(self, pods: Sequence[Pod], *, present: bool) -> float:
        wanted = {pod.name for pod in pods}
        names = ", ".join(pod.name for pod in pods)
        verb = "join" if present else "leave"
        with self._control_plane.course(self._network.slices) as course:
            await together(
                self.api.patch(
                    POD, self.namespace, pod.name, {"metadata": {"labels": self._labels(pod, present=present)}}
                )
                for pod in pods
            )
            settled = membership.until(course, wanted, present=present)
            moment = await self._settled(settled, f"{names} did not {verb} the EndpointSlices")
        served = {(pod.address, port) for pod in pods for port in (pod.http_port, pod.grpc_port)}
        await self._settled(
            self._network.until_served(served, present=present), f"{names} did not {verb} the data plane"
        )
        return moment

    def _labels(self, pod: Pod, *, present: bool) -> dict[str, str | None]:
        """As a merge patch: null takes a label off."""
        return {label: value if present else None for label, value in manifests.pod_labels(self._started[pod]).items()}

    async def _settled(self, work: Coroutine[Any, Any, T], failure: str) -> T:
        try:
            async with asyncio.timeout(_SETTLE_S):
                return await self._background.wait(work)
        except TimeoutError:
            raise LabError(f"{failure} within {_SETTLE_S:.0f} s") from None
