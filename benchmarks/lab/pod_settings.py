"""How the pods of a lab answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GRACE_S: Final = 30


@dataclass(frozen=True, slots=True)
class PodSettings:
    """How a pod answers: time that a call takes, calls at once (0: no bound), time after SIGTERM that it accepts.

    `arguments` are further options of services.provider, which overrule these, but not where it listens.
    """

    latency_ms: float = 0.0
    concurrency: int = 0
    lame_duck_s: float = 2.0
    arguments: tuple[str, ...] = ()

    def options(self, address: str, http_port: int, grpc_port: int) -> list[str]:
        """Those of services.provider."""
        options = ["--latency-ms", str(self.latency_ms), "--concurrency", str(self.concurrency)]
        options += ["--lame-duck-s", str(self.lame_duck_s), "--grace-s", str(GRACE_S), *self.arguments]
        return [*options, "--host", address, "--http-port", str(http_port), "--grpc-port", str(grpc_port)]
