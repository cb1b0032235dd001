"""How Services work on the nodes: mirrors of what the API server has, the data plane's rules, and DNS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from . import accepted, cuts, manifests, nft, rules
from .control_plane import ControlPlane
from .dataplane import DataPlane
from .forwarder import Forwarder, PortName
from .kinds import ENDPOINT_SLICE, SERVICE, labels_of
from .mirror import Mirror
from .nameserver import NameServer
from .network import DNS_POD
from .pods import Pod
from .slices import SERVICE_NAME_LABEL
from .surroundings import USERSPACE, Surroundings
from .zone import knows


class ServiceNetwork:
    """Made of a control plane that runs. `slices` is a mirror of the EndpointSlices that it follows."""

    def __init__(self, control_plane: ControlPlane, surroundings: Surroundings, dns_ttl_s: int) -> None:
        self._namespace = control_plane.namespace
        watched = self._namespace if control_plane.is_foreign else None
        services = Mirror(control_plane.api, SERVICE, self._changed, namespace=watched)
        slices = Mirror(control_plane.api, ENDPOINT_SLICE, self._changed, namespace=watched)
        self._services, self.slices = services, slices
        self._forwards = surroundings is USERSPACE
        self.dataplane = Forwarder(services, slices) if self._forwards else DataPlane(services, slices)
        self.nameserver = NameServer(lambda: (services.objects.values(), slices.objects.values()), dns_ttl_s)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What answers by itself, while the block lasts; the rest is `work`."""
        if self._forwards:
            yield
            return
        async with self.nameserver.serving(DNS_POD):
            await accepted.start()
            await cuts.start()
            try:
                yield
            finally:
                await nft.load(rules.REMOVAL)

    def work(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """What has to go on, by what it is."""
        return {
            "mirror of Services": self._services.run(),
            "mirror of EndpointSlices": self.slices.run(),
            "data plane": self.dataplane.run(),
        }

    def _changed(self) -> None:
        self.dataplane.refresh()
        self.nameserver.refresh()

    async def until_served(self, targets: set[tuple[str, int]], *, present: bool) -> None:
        """Wait until the data plane leads to all of these addresses and ports, or to none."""

        def holds(ports: Sequence[rules.ServicePort]) -> bool:
            served = {target for port in ports for target in port.endpoints}
            return targets <= served if present else targets.isdisjoint(served)

        await self.dataplane.until(holds)

    async def until_exposed(self, name: str, of: str, spec: Mapping[str, Any]) -> None:
        """Wait until a further Service of the pods of one is served and has its name."""
        pods: set[str] = set()

        def as_its_twin(ports: Sequence[rules.ServicePort]) -> bool:
            twin, own = ({port.endpoints for port in ports if port.service == each} for each in (of, name))
            pods.update(host for endpoints in twin for host, _ in endpoints)
            return own == twin or spec.get("clusterIP", "None") == "None"

        await self.dataplane.until(as_its_twin)
        hosts = pods if spec.get("clusterIP") == "None" else set()
        await self.nameserver.until(lambda known: knows(known, manifests.dns_name(name, self._namespace), hosts))

    async def until_gone(self, name: str) -> None:
        """Wait until no slice is a Service's, by which the next one of its name would be known."""
        await self.nameserver.until(
            lambda _: all(labels_of(each).get(SERVICE_NAME_LABEL) != name for each in self.slices.objects.values())
        )

    async def connections(self, pods: Iterable[Pod]) -> dict[str, int]:
        """Connections that each has accepted so far, by its name."""
        if isinstance(self.dataplane, Forwarder):
            through = self.dataplane.accepted
            return {
                pod.name: through.get((pod.address, pod.http_port), 0) + through.get((pod.address, pod.grpc_port), 0)
                for pod in pods
            }
        by_address = await accepted.read()
        return {pod.name: by_address.get(pod.address, 0) for pod in pods}

    def forwarder_address(self, service: str, port: str) -> str | None:
        """HOST:PORT of the forwarder for a Service's port; None where the kernel serves."""
        if not isinstance(self.dataplane, Forwarder):
            return None
        host, number = self.dataplane.address(PortName(self._namespace, service, port))
        return f"{host}:{number}"
