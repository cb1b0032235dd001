"""Mutated lines in torn chunks through a whole watch, from the socket on: each new list mends what they did."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Iterator

import pytest

from tests.discovery.api_stand_in import CHUNKED, EXPIRED, StandIn, chunk, item, listing
from tests.discovery.published import HOLD_S, addresses, published
from tests.discovery.recordings import recorded
from tests.discovery.skipped_time import without_waiting
from tests.discovery.test_fuzz import mutated


class Mangling(StandIn):
    """Answers each list with an endpoint of its own, the watch after it with mutated lines, and another with 410.

    settled_s  when nothing of the time before a list could be held any more
    """

    LINES = 10
    """In each stream; three of ten are mutated."""

    def __init__(self, streams: int, chance: random.Random) -> None:
        super().__init__()
        self.over = asyncio.Event()
        self.settled_s: list[float] = []
        self._streams = streams
        self._chance = chance
        self._lists = 0
        self._lines = [
            json.dumps(body).encode()
            for name in ("lifecycle", "hand-made", "dual-stack", "bookmarks")
            for kind, body in recorded(name)
            if kind == "event"
        ]

    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "watch" not in query:
            writer.write(listing(5, item(3, host(self._lists))))
            self._lists += 1
        elif len(self.settled_s) == self._lists:
            writer.write(EXPIRED)
        else:
            await asyncio.sleep(2 * HOLD_S)
            self.settled_s.append(asyncio.get_running_loop().time())
            await asyncio.sleep(HOLD_S)
            if self._lists == self._streams:
                self.over.set()
                await reader.read()
            # Who has had enough does not read to the end.
            with contextlib.suppress(ConnectionError):
                await self._mangle(writer)

    async def _mangle(self, writer: asyncio.StreamWriter) -> None:
        chance = self._chance
        lines = [
            mutated(line, chance) if chance.random() < 0.3 else line
            for line in chance.choices(self._lines, k=self.LINES)
        ]
        writer.write(CHUNKED)
        for piece in torn(b"\n".join(lines) + b"\n", chance):
            framed = chunk(piece)
            writer.write(mutated(framed, chance) if chance.random() < 0.02 else framed)
            await writer.drain()
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            writer.write(chunk())


def torn(data: bytes, chance: random.Random) -> Iterator[bytes]:
    cuts = sorted(chance.randrange(1, len(data)) for _ in range(chance.randint(0, 6)))
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if begin < end:
            yield data[begin:end]


def host(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


@without_waiting
async def test_whatever_a_stream_holds_the_next_list_is_the_set(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "discovery")
    streams = 600
    server = Mangling(streams, random.Random(21))
    seen = await published(server, server.over)
    assert [addresses(seen.at(now_s)) for now_s in server.settled_s] == [{(host(each), 80)} for each in range(streams)]
    # Some were borne, and most were not.
    assert streams / 20 < len(seen.failures) < streams
