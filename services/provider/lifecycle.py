"""How the provider stops: what Kubernetes expects of a pod that is to lose no request.

SIGTERM comes when the pod's endpoint begins to leave the Service, and the clients hear of that later, each
kube-proxy and each watcher in its own time. So the pod says that it is not ready, keeps accepting for the
lame duck's time, and only then closes its ports (kubernetes.io, "Pod Lifecycle", "Termination of Pods").
"""

import asyncio
import os
import signal
import socket

from services.provider.entry import Entry
from services.provider.servers import GRPCServer, HTTPServer


def stop_on_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets; a second signal ends the process at once, as a shell would
    show it: with status 128 + the signal's number.
    """
    stopping = asyncio.Event()

    def handle(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, number)
    return stopping


async def serve_until(
    stopping: asyncio.Event,
    http: HTTPServer,
    listener: socket.socket,
    over_grpc: GRPCServer,
    entry: Entry,
    *,
    lame_duck_s: float,
    grace_s: float,
) -> None:
    """Serve until `stopping` is set; then drain, and return once nothing is in flight, or `grace_s` later."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(http.serve(sockets=[listener]))
        await stopping.wait()
        await over_grpc.health.enter_graceful_shutdown()
        await entry.leave()
        await asyncio.sleep(lame_duck_s)
        http.should_exit = True
        await over_grpc.server.stop(grace_s)
