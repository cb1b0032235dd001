"""An API server that plays a recorded course of events."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

from tests.discovery.api_stand_in import CHUNKED, OK, StandIn, chunk
from tests.discovery.recordings import Objects, after, played

Way = Literal["at full speed", "at recorded speed", "ended after every line", "broken within every line"]


class Replay(StandIn):
    """Plays the list of a recording and then its lines, as they were sent, from whichever version the client asks for.

    ended   the stream ends in good order after each line, as at its time limit
    broken  the connection breaks within each line but the first; a list tells what has been told by then

    states    the slices as the cluster had them: as listed, then after each line
    versions  of the states
    told_s    when the states were told first, on the loop's clock
    over      everything was told, and the stream that is open now stays so
    """

    def __init__(self, name: str, way: Way = "at full speed") -> None:
        super().__init__()
        self.over = asyncio.Event()
        self.told_s: list[float] = []
        self._way = way
        (self._listed_s, _, listing), *lines = played(name)
        self._listing = listing.encode()
        self._lines = [(at_s, text.encode()) for at_s, _, text in lines]
        body: Any = json.loads(listing)
        self.states: list[Objects] = [after({}, "list", body)]
        self.versions: list[str] = [body["metadata"]["resourceVersion"]]
        for _, kind, text in lines:
            event: Any = json.loads(text) if kind == "event" else {"type": kind, "object": {"metadata": {}}}
            self.states.append(after(self.states[-1], "event", event))
            self.versions.append(event["object"]["metadata"].get("resourceVersion", self.versions[-1]))

    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "watch" in query:
            writer.write(CHUNKED)
            await self._play(query["resourceVersion"], reader, writer)
        else:
            writer.write(OK + self._newest())

    def _newest(self) -> bytes:
        """The body of a list."""
        if not self.told_s:
            self._tell(0)
        number = len(self.told_s) - 1
        if number == 0:
            return self._listing
        metadata = {"resourceVersion": self.versions[number]}
        return json.dumps({"metadata": metadata, "items": [*self.states[number].values()]}).encode()

    async def _play(self, version: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # After the last that has the version, since a bookmark may share its with the line before.
        begin = len(self.versions) - self.versions[::-1].index(version)
        for number, (at_s, line) in enumerate(self._lines[begin - 1 :], begin):
            if self._way == "at recorded speed":
                await asyncio.sleep(self.told_s[0] + at_s - self._listed_s - asyncio.get_running_loop().time())
            elif self._way == "broken within every line" and number > begin:
                return writer.write(chunk(line)[: len(line) // 2])
            self._tell(number)
            if not line:
                return writer.write(chunk())
            writer.write(chunk(line + b"\n"))
            await writer.drain()
            if self._way == "ended after every line":
                return writer.write(chunk())
        self.over.set()
        await reader.read()
        return None

    def _tell(self, number: int) -> None:
        untold = number + 1 - len(self.told_s)
        self.told_s += [asyncio.get_running_loop().time()] * untold
