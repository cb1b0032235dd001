"""Resolvers: how a target becomes endpoints. One file each; none knows anything of load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Self

from discovery.model import Snapshot, Target


class ResolverError(Exception):
    """Raised by a resolver's `watch` where it knows when to try again.

    retry_after_s   seconds to wait at least; None leaves it to the backoff
    retry_within_s  and at most, where asking again costs nobody much
    """

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, retry_within_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.retry_within_s = retry_within_s


class Resolver(ABC):
    """A source of endpoint sets.

    names        every DNS name that the target may be called by, the fullest first; empty where it has none. The
                 HTTP transports serve these hosts and no other; over gRPC the first is the authority.
    max_stale_s  how long the last good set is served while `watch` fails; None is for as long as it takes
    """

    names: tuple[str, ...] = ()
    max_stale_s: float | None = None

    @classmethod
    def from_target(cls, target: Target) -> Self:
        """The resolver that a target string means; raises `InvalidTarget`."""
        raise target.invalid(f"{cls.__name__} cannot be made from a string")

    @abstractmethod
    def watch(self) -> AsyncIterator[Snapshot]:
        """Complete, immutable, ordered sets: the first as soon as it is known, then one for each change.

        It runs on the runtime's loop and must not block it. It ends where the set can never change again.
        Whatever it raises is logged, backed off from and answered with a new call.
        """
