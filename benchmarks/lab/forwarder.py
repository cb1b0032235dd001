"""What stands in for kube-proxy where there are no namespaces: a listener per Service port that forwards connections.

As kube-proxy does, it picks an endpoint at random for each connection, and connections that are open stay where they
are. What differs: a client sees its connection accepted before it is rejected, pods see the forwarder's address in
place of the client's, and there is TCP alone, without session affinity and node ports.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from .background import together
from .mirror import Mirror
from .rules import ServicePort, service_ports
from .surroundings import LOOPBACK

_CHUNK: Final = 65536
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time

Address = tuple[str, int]


class PortName(NamedTuple):
    """A port of a Service."""

    namespace: str
    service: str
    port: str


class Forwarder:
    """Forwards to what two mirrors hold; `refresh` is to be called when either has changed.

    choose: picks one of several endpoints.
    """

    def __init__(
        self,
        services: Mirror,
        slices: Mirror,
        choose: Callable[[Sequence[Address]], Address] = random.choice,
    ) -> None:
        self._services = services
        self._slices = slices
        self._choose = choose
        self._changed = asyncio.Event()
        self._applied = asyncio.Condition()
        self._ports: tuple[ServicePort, ...] = ()
        self._endpoints: Mapping[PortName, tuple[Address, ...]] = {}
        self._listeners: dict[PortName, asyncio.Server] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._accepted: Counter[Address] = Counter()

    @property
    def accepted(self) -> Mapping[Address, int]:
        """Connections that each endpoint has accepted from the forwarder so far."""
        return self._accepted

    def address(self, port: PortName) -> Address:
        """Where a Service's port is called; it stays the same for as long as the Service has the port."""
        address: Address = self._listeners[port].sockets[0].getsockname()
        return address

    def refresh(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Forward until cancelled, at which every connection ends; raises OSError if no port can be had."""
        await self._services.listed.wait()
        await self._slices.listed.wait()
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._apply(service_ports(self._services.objects.values(), self._slices.objects.values()))
        finally:
            await self._close()

    async def until(self, holds: Callable[[Sequence[ServicePort]], bool]) -> None:
        """Wait until connections go where ports say of which the condition is true."""
        async with self._applied:
            await self._applied.wait_for(lambda: holds(self._ports))

    async def _apply(self, ports: tuple[ServicePort, ...]) -> None:
        wanted = {PortName(port.namespace, port.service, port.name): port for port in ports if port.protocol == "tcp"}
        for name in self._listeners.keys() - wanted.keys():
            self._listeners.pop(name).close()
        for name in wanted.keys() - self._listeners.keys():
            self._listeners[name] = await self._listen(name)
        async with self._applied:
            self._endpoints = {name: port.endpoints for name, port in wanted.items()}
            self._ports = ports
            self._applied.notify_all()

    async def _listen(self, name: PortName) -> asyncio.Server:
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            with contextlib.suppress(asyncio.CancelledError):  # or asyncio would log it, at the forwarder's end
                await self._forward(name, reader, writer)

        return await asyncio.start_server(forward, LOOPBACK, 0)

    async def _forward(self, name: PortName, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        in_good_order = False
        try:
            if endpoints := self._endpoints.get(name):
                in_good_order = await self._relay(self._choose(endpoints), reader, writer)
        finally:
            if in_good_order:
                writer.close()
            else:
                _reset(writer)

    async def _relay(self, target: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Forward until both sides have ended; False if one broke it off, or the pod could not be reached."""
        try:
            pod_reader, pod_writer = await asyncio.open_connection(*target)
        except OSError:
            return False
        self._accepted[target] += 1
        try:
            await together([_pump(reader, pod_writer), _pump(pod_reader, writer)])
        except OSError:
            return False
        finally:
            pod_writer.close()
        return True

    async def _close(self) -> None:
        for listener in self._listeners.values():
            listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end, and pass that on; the other direction may go on."""
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
