"""How the pods of a lab answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodSettings:
    """How a pod answers: time that a call takes, calls at once (0: no bound), time after SIGTERM that it accepts.

    `arguments` are further options of services.provider, which overrule these, but not where it listens.
    """

    latency_ms: float = 0.0
    concurrency: int = 0
    lame_duck_s: float = 2.0
    arguments: tuple[str, ...] = ()
