"""Services, and what is behind them: pods that never run, or slices that the test writes itself.

The pods are for no scheduler, and the tests write their status, as a kubelet would. A pod that is on no node is left
out by the EndpointSlice controller, unless its Service publishes addresses that are not ready; and then it counts as
ready for good. So the controller tells which pods there are and where they listen, and hand-made slices tell the rest.

The addresses are for benchmarks (RFC 2544), and belong to nobody. The Services are headless, so that no node's
kube-proxy does anything for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from typing import Any

from tests.target import Target

Conditions = Mapping[str, bool | None]

READY = {"ready": True, "serving": True, "terminating": False}
UNREADY = {"ready": False, "serving": False, "terminating": False}
TERMINATING = {"ready": False, "serving": True, "terminating": True}

_addresses = map(str, map(IPv4Address, itertools.count(int(IPv4Address("198.18.0.1")))))

# What a namespace's pod security may demand ("restricted").
_NO_PRIVILEGES = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_NO_ROOT = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


class BySelector:
    """A Service whose slices the cluster's controller writes."""

    def __init__(self, target: Target, name: str) -> None:
        self._target = target
        self.name = name

    def create(self, **ports: int | str) -> None:
        """With the target ports of its own ports, by their names; 80 is the number of the first."""
        numbered = [
            {"name": name, "port": number, "targetPort": to} for number, (name, to) in enumerate(ports.items(), 80)
        ]
        spec = {"clusterIP": "None", "selector": {"app": self.name}, "ports": numbered}
        body = {"metadata": {"name": self.name}, "spec": {**spec, "publishNotReadyAddresses": True}}
        self._target.core.create_namespaced_service(self._target.namespace, body)

    def retarget(self, port: int) -> None:
        """Have its port 80 lead to another one of the pods."""
        body = {"spec": {"ports": [{"port": 80, "targetPort": port}]}}
        self._target.core.patch_namespaced_service(self.name, self._target.namespace, body)

    def delete(self) -> None:
        self._target.core.delete_namespaced_service(self.name, self._target.namespace)

    def add(self, count: int = 1, **ports: int) -> dict[str, str]:
        """Start pods with these named ports; returns their addresses by their names."""
        addresses = list(itertools.islice(_addresses, count))
        return dict(zip(_each(lambda address: self._add(address, ports), addresses), addresses, strict=True))

    def remove(self, pods: Iterable[str]) -> None:
        core, namespace = self._target.core, self._target.namespace
        _each(lambda pod: core.delete_namespaced_pod(pod, namespace, grace_period_seconds=0), pods)

    def slices(self) -> list[Any]:
        selector = f"kubernetes.io/service-name={self.name}"
        items: list[Any] = self._target.slices.list_namespaced_endpoint_slice(
            self._target.namespace, label_selector=selector
        ).items
        return items

    def _add(self, address: str, ports: Mapping[str, int]) -> str:
        container = {
            "name": "main",
            "image": "registry.k8s.io/pause:3.10",
            "ports": [{"name": name, "containerPort": number} for name, number in ports.items()],
            "securityContext": _NO_PRIVILEGES,
        }
        spec = {"schedulerName": "nobody", "containers": [container], "securityContext": _NO_ROOT}
        body = {"metadata": {"generateName": f"{self.name}-", "labels": {"app": self.name}}, "spec": spec}
        core, namespace = self._target.core, self._target.namespace
        name = str(core.create_namespaced_pod(namespace, body).metadata.name)
        ready = {"type": "Ready", "status": "True"}
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]}
        core.patch_namespaced_pod_status(name, namespace, {"status": status})
        return name


class ByHand:
    """A Service without a selector: no controller writes its slices."""

    def __init__(self, target: Target, name: str) -> None:
        self._target = target
        self._parts: set[str] = set()
        self.name = name
        spec = {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}
        target.core.create_namespaced_service(target.namespace, {"metadata": {"name": name}, "spec": spec})

    def write(self, conditions: Mapping[str, Conditions], *, part: str = "1", family: str = "IPv4") -> None:
        """Write one of its slices, new or anew: addresses, and the conditions of each."""
        name = f"{self.name}-{part}"
        labels = {"kubernetes.io/service-name": self.name, "endpointslice.kubernetes.io/managed-by": "discovery-tests"}
        body = {
            "metadata": {"name": name, "labels": labels},
            "addressType": family,
            "endpoints": [{"addresses": [address], "conditions": each} for address, each in conditions.items()],
            "ports": [{"name": "http", "port": 8081, "protocol": "TCP"}],
        }
        api, namespace = self._target.slices, self._target.namespace
        if part in self._parts:
            api.replace_namespaced_endpoint_slice(name, namespace, body)
        else:
            api.create_namespaced_endpoint_slice(namespace, body)
            self._parts.add(part)


def _each(call: Callable[[str], Any], arguments: Iterable[str]) -> list[Any]:
    """Several at a time, as a cluster may be far away."""
    with ThreadPoolExecutor(8) as executor:
        return list(executor.map(call, arguments))
