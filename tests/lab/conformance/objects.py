"""The objects that the suite makes, and how it reads the raw lines of a watch."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.target import Target


def endpoint_slice(name: str, mark: str, *addresses: str) -> dict[str, Any]:
    """Which nothing but the suite looks after."""
    return {
        "metadata": {"name": name, "labels": {"test": mark}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
        "ports": [{"name": "http", "port": 8081, "protocol": "TCP"}],
    }


def service(name: str, mark: str) -> dict[str, Any]:
    """Without a selector, so that no controller cares."""
    ports = [
        {"name": "http", "port": 80, "targetPort": 8081, "protocol": "TCP"},
        {"name": "grpc", "port": 9080, "targetPort": 8082, "protocol": "TCP"},
    ]
    return {"metadata": {"name": name, "labels": {"test": mark}}, "spec": {"ports": ports}}


def deployment(name: str, mark: str) -> dict[str, Any]:
    """Of no pods, or of pods that no scheduler takes."""
    labels = {"test": mark}
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    container = {"name": "main", "image": "registry.k8s.io/pause:3.10", "env": env}
    pods = {"schedulerName": "nobody", "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pods},
        },
    }


def make_slices(target: Target, mark: str, count: int) -> list[str]:
    """Names in the order of a list."""
    names = [f"{mark}-{number}" for number in range(count)]
    for name in names:
        target.slices.create_namespaced_endpoint_slice(target.namespace, endpoint_slice(name, mark, "192.0.2.1"))
    return names


@contextmanager
def watching(target: Target, **options: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """The lines of a watch of EndpointSlices as the server sends them; options as the official client names them."""
    options = {"watch": True, "timeout_seconds": 30, "_preload_content": False, **options}
    response = target.slices.list_namespaced_endpoint_slice(target.namespace, **options)
    try:
        yield (json.loads(line) for line in _lines(response.stream))
    finally:
        response.close()
        response.release_conn()


def _lines(stream: Callable[..., Iterator[bytes]]) -> Iterator[bytes]:
    rest = b""
    for chunk in stream(amt=None, decode_content=False):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
