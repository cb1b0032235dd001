"""The way from the lab's network, which reaches nothing, to an API server outside, and who its user is there.

A socket belongs to the network in which it was made, whoever holds it. So the first process inside listens and hands
the listener out, by a pair of sockets, and the launcher accepts and connects: TLS is untouched from end to end. In
return the first process gets the kubeconfig, so that nothing of it is in an argument, a variable or a file outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .relay import relay


@dataclass(frozen=True, slots=True)
class Passage:
    """Where the API server is, as seen from outside, and the kubeconfig for those inside, which is secret."""

    host: str
    port: int
    kubeconfig: Mapping[str, Any] = field(repr=False)

    @contextlib.contextmanager
    def opened(self) -> Iterator[socket.socket]:
        """Gives the end of the pair that is for the first process inside; closing all copies of it ends the passage."""
        theirs, ours = socket.socketpair()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(ours)), name="passage")
        thread.start()
        try:
            yield theirs
        finally:
            theirs.close()
            thread.join()

    async def _serve(self, ours: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with ours, contextlib.suppress(ConnectionError):
            ours.setblocking(False)
            await _readable(ours)
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
            if not descriptors:
                return  # it ended before it had a network
            with socket.socket(fileno=descriptors[0]) as listener:
                await loop.sock_sendall(ours, json.dumps(self.kubeconfig).encode())
                ours.shutdown(socket.SHUT_WR)
                passing = asyncio.create_task(relay(listener, self.host, self.port))
                try:
                    await loop.sock_recv(ours, 1)  # nothing is said any more: this is the end
                finally:
                    passing.cancel()
                    await asyncio.wait({passing})


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)
