"""What stands in for kube-proxy: keeps the kernel's rules in step with Services and EndpointSlices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address

from . import network, nft
from .mirror import Mirror
from .rules import START, ServicePort, script, service_ports


class DataPlane:
    """Writes the rules for what two mirrors hold; `refresh` is to be called when either has changed."""

    def __init__(self, services: Mirror, slices: Mirror) -> None:
        self._services = services
        self._slices = slices
        self._changed = asyncio.Event()
        self._written = asyncio.Condition()
        self._ports: tuple[ServicePort, ...] = ()

    def refresh(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Write until cancelled; raises LabError if the kernel refuses the rules.

        What changes while one transaction is under way goes into the next, so that a burst costs two.
        """
        await nft.load(START)
        await self._services.listed.wait()
        await self._slices.listed.wait()
        while True:
            await self._changed.wait()
            self._changed.clear()
            ports = service_ports(self._services.objects.values(), self._slices.objects.values())
            if ports != self._ports:
                for address in {port.cluster_ip for port in ports} - {port.cluster_ip for port in self._ports}:
                    if IPv4Address(address) not in network.SERVICE_CIDR:
                        network.lead_to(address)
                await nft.load(script(ports, self._ports))
                async with self._written:
                    self._ports = ports
                    self._written.notify_all()

    async def until(self, holds: Callable[[Sequence[ServicePort]], bool]) -> None:
        """Wait until the kernel's rules are for ports of which the condition is true."""
        async with self._written:
            await self._written.wait_for(lambda: holds(self._ports))
