"""The two surroundings that a cluster can have, and which of them this process is in.

In namespaces of its own a cluster has a network: an address for each pod, DNS, and the kernel's rules in kube-proxy's
place. Where those cannot be had there is 127.0.0.1 alone: pods differ in their ports, a forwarder in userspace stands
in for kube-proxy, and no name resolves. Every port is then a free one, so that several clusters can run at a time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Literal

from .errors import LabError
from .manifests import GRPC_PORT, HTTP_PORT
from .network import API_SERVER, NODE

INSIDE: Final = "DISCOVERY_LAB"
"""Set for every process of a lab, by the launcher; the value tells the surroundings."""

WANTED: Final = "DISCOVERY_LAB_DATAPLANE"
"""What a user sets to `userspace` to do without namespaces where they could be had."""

KUBECONFIG: Final = "DISCOVERY_LAB_KUBECONFIG"
"""Set by the launcher where a passage leads to an API server outside: the kubeconfig by which those inside reach it."""

LAUNCHER: Final = "DISCOVERY_LAB_LAUNCHER"
"""Set by the launcher: its process number, since that of a process inside means nothing outside."""

LOOPBACK: Final = "127.0.0.1"
USERSPACE_NOTE: Final = (
    "Without namespaces: the latency of service-dns includes the forwarder that stands in for kube-proxy."
)

DataPlaneName = Literal["nftables", "userspace"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the parts of a cluster are. Port 0 is any free one.

    probes_from  address from which the kubelet probes; None: whatever the system takes
    """

    dataplane: DataPlaneName
    api_host: str
    api_port: int
    http_port: int
    grpc_port: int
    probes_from: str | None


NAMESPACES: Final = Surroundings("nftables", str(API_SERVER.ip), 6443, HTTP_PORT, GRPC_PORT, str(NODE.ip))
USERSPACE: Final = Surroundings("userspace", LOOPBACK, 0, 0, 0, None)

_BY_VALUE: Final = {"1": NAMESPACES, "userspace": USERSPACE}


def here() -> Surroundings:
    """Those of this process; raises LabError where the launcher has not made any."""
    found = _BY_VALUE.get(os.environ.get(INSIDE, ""))
    if found is None:
        raise LabError("a lab cluster runs only in a lab's surroundings: enter them with benchmarks.lab.launcher")
    return found


def userspace_wanted() -> bool:
    """Whether the user has asked for the userspace data plane; raises LabError for what is none."""
    wanted = os.environ.get(WANTED, "")
    if wanted not in {"", "userspace"}:
        raise LabError(f"{WANTED}={wanted} is not known: set it to userspace, or not at all")
    return wanted == "userspace"
