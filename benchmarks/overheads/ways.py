"""An arm's way to call: what the two protocols have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 20.0
Addresses = Sequence[str]

AGAIN = "the same again"
"""The arm that is the first once more, in a process of its own: what it differs by is noise."""


@dataclass(frozen=True, slots=True)
class Way:
    """A client of one kind, opened on the addresses of the endpoints: a function that makes a call.

    sync, asyncio  the two clients, None where there is no such one
    spreads        its calls go to all of the endpoints, not to the first alone
    """

    sync: Callable[[Addresses], AbstractContextManager[Callable[[], Any]]] | None
    asyncio: Callable[[Addresses], AbstractAsyncContextManager[Callable[[], Awaitable[Any]]]] | None
    spreads: bool = True


@dataclass(frozen=True, slots=True)
class Ways:
    """All ways over one protocol.

    by_name  the arms' names
    pod      who gave a reply
    error    the base class of what a failed call raises
    """

    by_name: dict[str, Way]
    pod: Callable[[Any], str]
    error: tuple[type[Exception], ...]
