"""Who answers: the pod, as the downward API describes it."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Identity:
    """The pod that answers, and where it runs; empty where nobody said."""

    pod: str
    node: str
    zone: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read POD_NAME (else the host's name, which in a cluster is the pod's), NODE_NAME and ZONE."""
        return cls(
            pod=environment.get("POD_NAME") or socket.gethostname(),
            node=environment.get("NODE_NAME", ""),
            zone=environment.get("ZONE", ""),
        )
