"""The cluster that a reader plays with: a Deployment and a Service `echo`, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from . import manifests
from .cluster import Cluster
from .kinds import DEPLOYMENT
from .manifests import NAMESPACE
from .surroundings import INSIDE, USERSPACE

_NAME = "echo"

_WORDS = """\
The lab is up, with a Deployment and a Service {name} of {pods} pods. Ctrl-C ends it, and nothing is left.

  kubeconfig  {kubeconfig}{where}

Try, each in a terminal of its own:

  {enter}kubectl get endpointslices -w
  {enter}kubectl scale deployment {name} --replicas {more}
  {enter}kubectl delete pod -l app={name}

and a client that picks a pod per request, and hears of each change:

  {enter}{python} -m services.consumer --target kubernetes:///{name}:http
  {enter}sh -c 'while sleep 0.3; do curl -s localhost:8080/service; echo; done'
"""


def run(pods: int) -> int:
    """Run it until SIGINT, SIGTERM or SIGHUP; returns the exit status. Raises LabError if it cannot be."""
    asyncio.run(_run(pods))
    return 0


async def _run(pods: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    async with Cluster() as cluster:
        await cluster.create_service(_NAME)
        await cluster.api.create(DEPLOYMENT, NAMESPACE, manifests.deployment(_NAME, pods))
        print(_words(cluster.kubeconfig, pods), flush=True)
        await stopping.wait()


def _words(kubeconfig: Path, pods: int) -> str:
    python = sys.executable
    with contextlib.suppress(ValueError):
        python = str(Path(python).relative_to(Path.cwd()))
    outside = os.environ[INSIDE] == USERSPACE.dataplane
    return _WORDS.format(
        name=_NAME,
        pods=pods,
        more=pods + 3,
        kubeconfig=kubeconfig,
        where="" if outside else "  (inside; `exec` sets it)",
        python=python,
        enter=f"{python} -m benchmarks.lab exec ",
    )
