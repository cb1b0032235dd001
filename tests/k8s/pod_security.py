"""The Pod Security Standard `restricted`, as far as it can be read from a pod's spec.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ - `baseline` is part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
}
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(pod: Mapping[str, Any]) -> list[str]:
    """What the standard forbids in a pod's spec, one line each."""
    found = [*_of_pod(pod)]
    for container in chain(pod.get("initContainers", ()), pod["containers"], pod.get("ephemeralContainers", ())):
        context = {**_inherited(pod), **container.get("securityContext", {})}
        found += [f"{container['name']}: {each}" for each in chain(_of_container(container), _of_context(context))]
    return found


def _inherited(pod: Mapping[str, Any]) -> dict[str, Any]:
    """What containers have from their pod unless they say otherwise."""
    context = pod.get("securityContext", {})
    return {key: context[key] for key in ("runAsNonRoot", "runAsUser", "seccompProfile") if key in context}


def _of_pod(pod: Mapping[str, Any]) -> Iterator[str]:
    context = pod.get("securityContext", {})
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key))
    yield from _of_host_and_mandatory_access(context)
    yield from (f"sysctl {each['name']}" for each in context.get("sysctls", ()) if each["name"] not in _SAFE_SYSCTLS)
    for volume in pod.get("volumes", ()):
        yield from (f"volume of type {kind}" for kind in volume.keys() - {"name"} - _VOLUMES)


def _of_container(container: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"hostPort {port['hostPort']}" for port in container.get("ports", ()) if port.get("hostPort"))
    hooks = container.get("lifecycle", {}).values()
    probes = (container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness"))
    for handler in chain(probes, hooks):
        yield from (f"host in {kind}" for kind in ("httpGet", "tcpSocket") if handler.get(kind, {}).get("host"))


def _of_context(context: Mapping[str, Any]) -> Iterator[str]:
    capabilities = context.get("capabilities", {})
    yield from _of_host_and_mandatory_access(context)
    if context.get("privileged"):
        yield "privileged"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if context.get("runAsUser") == 0:
        yield "runAsUser is 0"
    if context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "seccompProfile is none of RuntimeDefault and Localhost"
    if "ALL" not in capabilities.get("drop", ()):
        yield "capabilities are not dropped"
    yield from (f"capability {each}" for each in capabilities.get("add", ()) if each != "NET_BIND_SERVICE")


def _of_host_and_mandatory_access(context: Mapping[str, Any]) -> Iterator[str]:
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"
    linux = context.get("seLinuxOptions", {})
    if linux.get("type", "") not in _SELINUX_TYPES or linux.get("user") or linux.get("role"):
        yield "seLinuxOptions"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in {"RuntimeDefault", "Localhost"}:
        yield "appArmorProfile"
