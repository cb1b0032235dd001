"""A recorded course of events through the whole watch: at full speed, and with the connection cut after every line."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from discovery.resolvers._credentials import Access
from discovery.resolvers._list_watch import slices_of
from discovery.resolvers.kubernetes import KubernetesResolver
from tests.discovery.api_stand_in import OK, StandIn
from tests.discovery.recordings import after, expected, recorded


class Replay(StandIn):
    """Plays the first list of a recording and then its events, from whichever version the client asks for.

    cut  close the stream after each event
    """

    def __init__(self, name: str, *, cut: bool) -> None:
        super().__init__()
        steps = list(recorded(name))
        self._list = next(body for kind, body in steps if kind == "list")
        self.events = [body for kind, body in steps if kind == "event" and body["type"] != "ERROR"]
        versions = [event["object"]["metadata"]["resourceVersion"] for event in self.events]
        self._next = {version: number + 1 for number, version in enumerate(versions)}
        self._next[self._list["metadata"]["resourceVersion"]] = 0
        self._cut = cut

    def sets(self, port: str) -> list[set[tuple[str, int]]]:
        """What the cluster's set was, from event to event."""
        objects: dict[str, Any] = after({}, "list", self._list)
        sets = [expected(objects, port)]
        for event in self.events:
            objects = after(objects, "event", event)
            sets.append(expected(objects, port))
        return sets

    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        if "watch" not in query:
            writer.write(json.dumps(self._list).encode())
            return
        for event in self.events[self._next[query["resourceVersion"]] :]:
            writer.write(json.dumps(event).encode() + b"\n")
            await writer.drain()
            if self._cut:
                return
        await reader.read()


@pytest.mark.parametrize("cut", [False, True], ids=["at full speed", "cut after every line"])
@pytest.mark.parametrize("name", ["lifecycle", "rollout", "zones", "dual-stack", "not-ready-published", "hand-made"])
async def test_every_set_is_one_that_the_cluster_had_and_the_last_is_the_last(name: str, cut: bool) -> None:
    replay = Replay(name, cut=cut)
    had = replay.sets("http")
    changes = 1 + sum(event["type"] != "BOOKMARK" for event in replay.events)
    async with (
        replay.serving() as configuration,
        contextlib.aclosing(slices_of(Access(configuration, "default"), "ns", "echo")) as watched,
    ):
        published = []
        for _ in range(changes):
            snapshot = (await anext(watched)).snapshot("http")
            published.append({(each.host, each.port) for each in snapshot.endpoints})
    assert published[-1] == had[-1]
    remaining = iter(had)
    assert all(any(each == known for known in remaining) for each in published)
    assert len([query for query in replay.queries if "watch" not in query]) == 1


async def test_slices_of_dns_names_are_skipped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    replay = Replay("hand-made", cut=False)
    last = replay.sets("http")[-1]
    async with replay.serving() as configuration:
        resolver = KubernetesResolver("ext", "http", namespace="ns", config=configuration)
        async with contextlib.aclosing(resolver.watch()) as watched:
            async for snapshot in watched:
                if {(each.host, each.port) for each in snapshot.endpoints} == last and caplog.records:
                    break
    (record,) = caplog.records
    assert "slices of DNS names are skipped: " in record.getMessage()
