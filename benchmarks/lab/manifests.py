"""The objects that the lab itself puts into its API server, and the file with which clients reach it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .inside import NAMESERVER

NAMESPACE: Final = "default"
HTTP_PORT: Final = 8081
GRPC_PORT: Final = 8082
# Other numbers than the pods', as in most clusters, so that whoever mixes them up is found out.
SERVICE_HTTP_PORT: Final = 80
SERVICE_GRPC_PORT: Final = 9080

DNS_NAMESPACE: Final = "kube-system"
_DNS_LABELS: Final = {"k8s-app": "kube-dns"}
_DNS_PORT: Final = 53

Manifest = dict[str, Any]


def kubeconfig(server: str, token: str) -> Manifest:
    """With one context, in namespace `default`."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": server}}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": NAMESPACE}}],
        "current-context": "lab",
    }


def service(name: str, cluster_ip: str) -> Manifest:
    """A Service of the provider pods that `pod_labels` marks as its own."""
    ports = [("http", "TCP", SERVICE_HTTP_PORT, HTTP_PORT), ("grpc", "TCP", SERVICE_GRPC_PORT, GRPC_PORT)]
    return _service(name, cluster_ip, pod_labels(name), ports)


def pod_labels(service_name: str) -> dict[str, str]:
    """What makes a pod one of a Service's."""
    return {"app": service_name}


def pod(name: str, node: str, address: str) -> Manifest:
    """A provider pod that runs, and is not ready yet."""
    return _pod(name, node, address, {}, {"http": HTTP_PORT, "grpc": GRPC_PORT}, ready=False)


def conditions(*, ready: bool) -> list[Manifest]:
    """`status.conditions` of a Pod."""
    return [{"type": "Ready", "status": str(ready)}]


def dns_service() -> Manifest:
    """kube-dns, at the address that resolv.conf names."""
    ports = [("dns", "UDP", _DNS_PORT, _DNS_PORT), ("dns-tcp", "TCP", _DNS_PORT, _DNS_PORT)]
    return _service("kube-dns", NAMESERVER, _DNS_LABELS, ports)


def dns_pod(node: str, address: str) -> Manifest:
    """The pod for which the lab's own process answers."""
    return _pod("coredns", node, address, _DNS_LABELS, {"dns": _DNS_PORT}, ready=True)


def _service(
    name: str, cluster_ip: str, selector: Mapping[str, str], ports: list[tuple[str, str, int, int]]
) -> Manifest:
    named = [
        {"name": port_name, "protocol": protocol, "port": port, "targetPort": target}
        for port_name, protocol, port, target in ports
    ]
    spec = {"type": "ClusterIP", "clusterIP": cluster_ip, "clusterIPs": [cluster_ip], "selector": selector}
    return {"metadata": {"name": name}, "spec": {**spec, "ports": named}}


def _pod(
    name: str, node: str, address: str, labels: Mapping[str, str], ports: Mapping[str, int], *, ready: bool
) -> Manifest:
    declared = [{"name": port_name, "containerPort": port} for port_name, port in ports.items()]
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": name, "ports": declared}]},
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": conditions(ready=ready),
        },
    }
