"""A Service whose endpoints are what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.lab.kinds import ENDPOINT_SLICE, SERVICE
from benchmarks.lab.rules import ServicePort
from tests.conftest import Lab

NAME = "bare"
CLUSTER_IP = "10.96.7.7"
NODE_PORT = 30707
PORT = 8081
"""The endpoints'; the Service has port 80."""


class Bare:
    """A Service without a selector, of which a test says what its endpoints are: no pod runs for it."""

    def __init__(self, lab: Lab, cluster_ip: str = CLUSTER_IP) -> None:
        self._lab = lab
        self._cluster_ip = cluster_ip

    def create(self, **spec: Any) -> None:
        port = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": PORT, "nodePort": NODE_PORT}
        whole = {"clusterIP": self._cluster_ip, "ports": [port], "type": "NodePort", **spec}
        self._lab.call(self._lab.cluster.api.create, SERVICE, "default", {"metadata": {"name": NAME}, "spec": whole})
        labels = {"kubernetes.io/service-name": NAME}
        piece = {
            "metadata": {"name": NAME, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [],
            "ports": [{"name": "http", "protocol": "TCP", "port": PORT}],
        }
        self._lab.call(self._lab.cluster.api.create, ENDPOINT_SLICE, "default", piece)
        self._until(lambda ports: NAME in {port.service for port in ports})

    def serve_from(self, ready: Sequence[str], leaving: Sequence[str] = ()) -> None:
        """Returns once the kernel has the rules."""
        conditions = {"ready": True, "serving": True, "terminating": False}
        endpoints = [{"addresses": [host], "conditions": conditions} for host in ready]
        conditions = {"ready": False, "serving": True, "terminating": True}
        endpoints += [{"addresses": [host], "conditions": conditions} for host in leaving]
        change = {"endpoints": endpoints}
        self._lab.call(self._lab.cluster.api.patch, ENDPOINT_SLICE, "default", NAME, change)
        wanted = tuple((host, PORT) for host in ready or leaving)
        self._until(lambda ports: [wanted] == [port.endpoints for port in ports if port.service == NAME])

    def delete(self) -> None:
        self._lab.call(self._lab.cluster.api.delete, ENDPOINT_SLICE, "default", NAME)
        self._lab.call(self._lab.cluster.api.delete, SERVICE, "default", NAME)
        self._until(lambda ports: NAME not in {port.service for port in ports})

    def _until(self, holds: Callable[[Sequence[ServicePort]], bool]) -> None:
        self._lab.call(self._lab.cluster.until_served, holds)
