"""`file`: client-side, a list in a file that something beside the client keeps, here from the EndpointSlices."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.arm import Wire
from benchmarks.lab.cluster import Cluster
from benchmarks.lab.kinds import ENDPOINT_SLICE, labels_of
from benchmarks.lab.mirror import Mirror
from benchmarks.lab.slices import SERVICE_NAME_LABEL
from benchmarks.strategies import Beside, Place
from benchmarks.strategies._through_discovery import ThroughDiscovery


class File(ThroughDiscovery):
    follows_s = 2.0

    def address(self, wire: Wire, place: Place) -> str:  # noqa: ARG002
        return ""  # that of a file which is not there yet

    def address_in_cluster(self, wire: Wire, place: Place) -> None:
        """Nobody keeps such a file there."""

    @asynccontextmanager
    async def beside(self, stage: Beside) -> AsyncIterator[str]:
        with tempfile.TemporaryDirectory(prefix="file-") as folder:
            path = Path(folder, "servers.json")
            writer = _Writer(stage.cluster, stage.wire, path)
            running = asyncio.create_task(writer.mirror.run())
            try:
                await writer.mirror.listed.wait()
                yield f"file://{path}"
            finally:
                running.cancel()
                await asyncio.wait({running})


class _Writer:
    """Replaces the file whenever the Service's ready pods change, as a sidecar or a job of somebody's would."""

    def __init__(self, cluster: Cluster, wire: Wire, path: Path) -> None:
        self.mirror = Mirror(cluster.api, ENDPOINT_SLICE, self._write, namespace=cluster.namespace)
        self._wire = wire
        self._path = path

    def _write(self) -> None:
        servers = [
            {"address": f"{each['addresses'][0]}:{port['port']}", "name": each["targetRef"]["name"]}
            for piece in self.mirror.objects.values()
            if labels_of(piece).get(SERVICE_NAME_LABEL) == "echo"
            for port in piece["ports"] or ()
            if port["name"] == self._wire
            for each in piece["endpoints"] or ()
            if each["conditions"]["ready"]
        ]
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(servers, indent=1))
        new.replace(self._path)


STRATEGY = File()
