"""The objects that the lab itself puts into its API server, and the file with which clients reach it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from .kinds import Object
from .network import NAMESERVER
from .slices import SERVICE_NAME_LABEL

NAMESPACE: Final = "default"
HTTP_PORT: Final = 8081
GRPC_PORT: Final = 8082
# Other numbers than the pods', as in most clusters, so that whoever mixes them up is found out.
SERVICE_HTTP_PORT: Final = 80
SERVICE_GRPC_PORT: Final = 9080

DNS_NAMESPACE: Final = "kube-system"
_DNS_LABELS: Final = {"k8s-app": "kube-dns"}
_DNS_PORT: Final = 53

ZONE_LABEL: Final = "topology.kubernetes.io/zone"

TAINT: Final = {"key": "discovery-compare", "value": "lab", "effect": "NoSchedule"}
"""Of nodes that are for the lab's pods alone."""

# What a namespace's pod security may demand (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
_NO_PRIVILEGES: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_GUEST: Final = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "tolerations": [{"key": TAINT["key"], "operator": "Exists"}],
    "automountServiceAccountToken": False,
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
}
_IMAGE: Final = "services.provider"

Manifest = dict[str, Any]


def kubeconfig(server: str, token: str, authority: bytes, namespace: str = NAMESPACE) -> Manifest:
    """With one context, in the namespace; `authority` is the PEM of what the server's certificate is from."""
    trusted = base64.b64encode(authority).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority-data": trusted}}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": namespace}}],
        "current-context": "lab",
    }


def node(name: str, zone: str) -> Manifest:
    """A node that is ready."""
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, ZONE_LABEL: zone}},
        "status": {"conditions": conditions(ready=True)},
    }


def service(name: str) -> Manifest:
    """A Service of the provider pods that `pod_labels` marks as its own, at an address that the API server gives it."""
    # By name, since where pods have no address of their own each has numbers of its own.
    ports = [("http", "TCP", SERVICE_HTTP_PORT, "http"), ("grpc", "TCP", SERVICE_GRPC_PORT, "grpc")]
    return _service(name, {}, pod_labels(name), ports)


def further_service(name: str, of: str, spec: Mapping[str, Any]) -> Manifest:
    """Another Service of the pods of one, which the API server gives an address; `spec` is what it has otherwise."""
    if spec.get("type") == "ExternalName":
        return {"metadata": {"name": name}, "spec": {**spec}}
    return {"metadata": {"name": name}, "spec": {**service(of)["spec"], **spec}}


def deployment(name: str, replicas: int) -> Manifest:
    """A Deployment of provider pods that belong to the Service of its name."""
    template = {
        "metadata": {"labels": pod_labels(name)},
        "spec": {"containers": _containers(name, {"http": HTTP_PORT, "grpc": GRPC_PORT})},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": pod_labels(name)}, "template": template}
    return {"metadata": {"name": name, "labels": pod_labels(name)}, "spec": spec}


def endpoint_slice(service_name: str, endpoints: Sequence[tuple[str, str]]) -> Manifest:
    """A slice that no controller cares for, of ready endpoints, given by pod name and address."""
    return {
        "metadata": {
            "generateName": f"{service_name}-without-pods-",
            "labels": {SERVICE_NAME_LABEL: service_name, "endpointslice.kubernetes.io/managed-by": "discovery-lab"},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": name},
            }
            for name, address in endpoints
        ],
        "ports": [
            {"name": port, "protocol": "TCP", "port": number}
            for port, number in (("http", HTTP_PORT), ("grpc", GRPC_PORT))
        ],
    }


def headless_service(name: str) -> Manifest:
    """A Service without an address and without a selector: its slices are written by hand."""
    ports = [{"name": "http", "port": HTTP_PORT}, {"name": "grpc", "port": GRPC_PORT}]
    return {"metadata": {"name": name}, "spec": {"clusterIP": "None", "ports": ports}}


def dns_name(service_name: str, namespace: str) -> str:
    """What DNS calls a Service."""
    return f"{service_name}.{namespace}.svc.cluster.local."


def pod_labels(service_name: str) -> dict[str, str]:
    """What makes a pod one of a Service's."""
    return {"app": service_name}


def pod(name: str, node: str, address: str) -> Manifest:
    """A provider pod that runs, and is not ready yet, with all that a real API server may demand of one."""
    made = _pod(name, node, address, {}, {"http": HTTP_PORT, "grpc": GRPC_PORT}, ready=False)
    containers = [{**each, "securityContext": _NO_PRIVILEGES} for each in made["spec"]["containers"]]
    return {**made, "spec": {**made["spec"], **_GUEST, "containers": containers}}


def pod_ports(pod: Object, http: int, grpc: int) -> Manifest:
    """A patch of a provider pod that tells the numbers that its ports `http` and `grpc` really have."""
    numbers = {"http": http, "grpc": grpc}
    containers = [
        {
            **container,
            "ports": [
                {**port, "containerPort": numbers.get(port.get("name"), port["containerPort"])}
                for port in container.get("ports") or ()
            ],
        }
        for container in pod["spec"]["containers"]
    ]
    return {"spec": {"containers": containers}}


def running(address: str, *, ready: bool) -> Manifest:
    """`status` of a Pod that has been given an address, as of now."""
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions(ready=ready),
    }


def conditions(*, ready: bool) -> list[Manifest]:
    """`status.conditions` of a Pod, as of now."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [{"type": "Ready", "status": str(ready), "lastTransitionTime": now}]


def dns_service() -> Manifest:
    """kube-dns, at the address that resolv.conf names."""
    ports = [("dns", "UDP", _DNS_PORT, _DNS_PORT), ("dns-tcp", "TCP", _DNS_PORT, _DNS_PORT)]
    address = {"clusterIP": NAMESERVER, "clusterIPs": [NAMESERVER]}
    return _service("kube-dns", address, _DNS_LABELS, ports)


def dns_pod(node: str, address: str) -> Manifest:
    """The pod for which the lab's own process answers."""
    return _pod("coredns", node, address, _DNS_LABELS, {"dns": _DNS_PORT}, ready=True)


def _service(
    name: str, address: Manifest, selector: Mapping[str, str], ports: Iterable[tuple[str, str, int, int | str]]
) -> Manifest:
    named = [
        {"name": port_name, "protocol": protocol, "port": port, "targetPort": target}
        for port_name, protocol, port, target in ports
    ]
    # Said, since a cluster of both families may prefer the other one, in which the lab has no network.
    family = {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}
    spec = {"type": "ClusterIP", **address, **family, "selector": selector, "ports": named}
    return {"metadata": {"name": name}, "spec": spec}


def _pod(
    name: str, node: str, address: str, labels: Mapping[str, str], ports: Mapping[str, int], *, ready: bool
) -> Manifest:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": node, "containers": _containers(name, ports)},
        "status": running(address, ready=ready),
    }


def _containers(name: str, ports: Mapping[str, int]) -> list[Manifest]:
    numbered = [{"name": port, "containerPort": number} for port, number in ports.items()]
    return [{"name": name, "image": _IMAGE, "ports": numbered}]
