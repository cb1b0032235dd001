"""Endpoints that move from one slice to another, and for a moment are in none. Without I/O."""

from __future__ import annotations

from dataclasses import replace

from discovery.resolvers._slices import Slices


class Moves:
    """Keeps an endpoint that left its slice until another slice has it, or the time is over.

    The EndpointSlice controller writes slice by slice: after a change of ports an address may be missing between two
    of its writes. What is new or changed is passed on at once.

    hold_s  how long to keep one
    """

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._newest = Slices()
        self._held: dict[str, tuple[str, float, Slices]] = {}

    def take(self, slices: Slices, now: float) -> None:
        """The slices have changed; `now` in seconds, monotonic."""
        before, self._newest = self._newest, slices
        for host, alone in before.left_in(slices):
            for name in alone.by_name:
                self._held.setdefault(name, (host, now + self._hold_s, alone))
        self._held = {name: held for name, held in self._held.items() if not slices.has(held[0])}

    def left_s(self, now: float) -> float | None:
        """How long until `slices` changes by itself; None if it does not."""
        return max(0.0, min(until for _, until, _ in self._held.values()) - now) if self._held else None

    def slices(self, now: float) -> Slices:
        """The newest, with what is still held."""
        self._held = {name: held for name, held in self._held.items() if held[1] > now}
        if not self._held:
            return self._newest
        by_name = dict(self._newest.by_name)
        for _, _, alone in self._held.values():
            by_name.update(alone.by_name)
        return replace(self._newest, by_name=by_name)
