"""The cell of the comparison, and the words that name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Wire = Literal["http", "grpc"]
Client = Literal["sync", "asyncio"]
Mode = Literal["kept", "per-request"]


def named(strategy: str, variant: str | None) -> str:
    """A strategy as on the command line, from what the result has of it."""
    if variant is None or "://" in variant:
        return variant or strategy
    return f"{strategy}+{variant}"


class Key(NamedTuple):
    """What tells one arm from another, less the repeat: a row of the table."""

    scenario: str
    strategy: str
    variant: str | None
    wire: Wire
    client: Client
    mode: Mode


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to call, through one course of events, once.

    strategy  a name of `benchmarks.strategies`, a variant's with a `+` in it, or a target that `discovery` is given
    policy    None where the client picks nothing
    """

    scenario: str
    strategy: str
    wire: Wire
    client: Client
    mode: Mode
    policy: str | None
    repeat: int

    @property
    def name(self) -> str:
        """The strategy's name in the result; that of a target is its scheme."""
        return self.strategy.partition("://" if "://" in self.strategy else "+")[0]

    @property
    def variant(self) -> str | None:
        """Which one of the strategy's, or the target that was given in place of a strategy; None for the usual one."""
        return self.strategy if "://" in self.strategy else self.strategy.partition("+")[2] or None

    @property
    def key(self) -> Key:
        return Key(self.scenario, self.name, self.variant, self.wire, self.client, self.mode)

    def __str__(self) -> str:
        per_request = ", a connection per request" if self.mode == "per-request" else ""
        return f"{self.scenario}: {self.strategy} {self.wire} {self.client}{per_request}"
