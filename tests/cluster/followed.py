"""A balancer, and every set that it has had."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from discovery import Balancer, DiscoveryError


class Followed:
    """What a balancer has seen, and how to wait for what it is to see."""

    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer
        self.sets: list[set[str]] = []
        self._changed = threading.Event()

    @property
    def addresses(self) -> set[str]:
        return {each.endpoint.address for each in self.balancer.snapshot().endpoints}

    def until(self, hosts: Iterable[str], port: int = 8081) -> None:
        """Wait for exactly these."""
        wanted = {f"{host}:{port}" for host in hosts}
        self.until_true(lambda: self.addresses == wanted)

    def until_refused(self, why: str) -> None:
        """Wait until a pick fails, with words that match."""
        self.until_true(lambda: re.search(why, self._refusal()) is not None)

    def until_failing(self, why: str) -> None:
        """Wait until the source fails, with words that match."""
        self.until_true(lambda: re.search(why, self.balancer.snapshot().error or "") is not None)

    def until_true(self, holds: Callable[[], bool]) -> None:
        """Wait for whatever else a change may bring."""
        while not holds():
            self._changed.wait()
            self._changed.clear()

    def note(self) -> None:
        self.sets.append(self.addresses)
        self._changed.set()

    def _refusal(self) -> str:
        try:
            if lease := self.balancer.pick_nowait():
                lease.done()
        except DiscoveryError as error:
            return str(error)
        return ""


@contextmanager
def following(balancer: Balancer) -> Iterator[Followed]:
    """While the block runs."""
    followed = Followed(balancer)
    with balancer, balancer.listening(followed.note):
        balancer.start()
        yield followed
