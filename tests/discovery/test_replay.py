"""Recorded courses of events through all of a watch, from the socket to what is published, on time that is skipped."""

from __future__ import annotations

from bisect import bisect_right
from typing import get_args

import pytest

from discovery.model import Snapshot
from tests.discovery.api_stand_in import OK, Script, item, listing
from tests.discovery.published import HOLD_S, addresses, published
from tests.discovery.recordings import Addresses, Objects, expected, hosts, played
from tests.discovery.replay import Replay, Way
from tests.discovery.skipped_time import without_waiting

NAMES = [
    "bookmarks",
    "dual-stack",
    "hand-made",
    "lifecycle",
    "many-slices",
    "not-ready-published",
    "rollout",
    "streaming-list",
    "zones",
]
"""All recordings but `expired`, which has neither a list nor slices."""


def may_be_published(found: Addresses, objects: Objects, lately: Addresses) -> bool:
    """The rule: the set that the cluster has, or that set with something still in it that it had within the hold."""
    there = hosts(objects)
    held = {(host, port) for host, port in found if host not in there}
    return held <= lately and found == expected({**objects, **kept(held)}, "http")


def kept(held: Addresses) -> Objects:
    """A slice for each of these, as if they had not left."""
    return {
        f"{host} {port}": {
            "addressType": "IPv6" if ":" in host else "IPv4",
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [host]}],
        }
        for host, port in held
    }


@pytest.mark.parametrize("way", get_args(Way))
@pytest.mark.parametrize("name", NAMES)
@without_waiting
async def test_what_is_published_is_what_the_cluster_had_in_its_order(name: str, way: Way) -> None:
    replay = Replay(name, way)
    seen = await published(replay, replay.over)
    told_s, had = replay.told_s, [expected(objects, "http") for objects in replay.states]
    ends_s = [*told_s[1:], float("inf")]

    def holds(snapshot: Snapshot, number: int, now_s: float) -> bool:
        lately = [had[before] for before in range(number) if ends_s[before] > now_s - HOLD_S]
        return may_be_published(addresses(snapshot), replay.states[number], set().union(*lately))

    newest = 0
    for at_s, snapshot in seen.sets:
        number = replay.versions.index(snapshot.version)
        assert number >= newest, "it goes back"
        newest = number
        assert told_s[number] <= at_s <= ends_s[number], "it is late"
        assert holds(snapshot, number, at_s)
    # What was told is there at once, and what left is gone after the hold, unless the watch has failed meanwhile.
    settled_s = [] if seen.failures else [each_s + HOLD_S + 1e-6 for each_s in told_s]
    for now_s in told_s + settled_s:
        assert holds(seen.at(now_s), bisect_right(told_s, now_s) - 1, now_s)
    assert addresses(seen.sets[-1][1]) == had[-1]
    assert len([query for query in replay.queries if "watch" not in query]) == 1 + len(seen.failures)
    assert bool(seen.failures) == (way == "broken within every line" and len(had) > 2)


@without_waiting
async def test_a_version_that_expired_as_it_was_recorded_is_answered_with_a_list() -> None:
    ((_, _, error),) = (step for step in played("expired") if step[1] == "event")
    ((_, _, listed),) = (step for step in played("bookmarks") if step[1] == "list")
    script = Script(listing(1, item(1, "10.64.0.9")), OK + error.encode() + b"\n", OK + listed.encode())
    seen = await published(script, script.over)
    everybody = ["10.64.0.1", "10.64.0.2", "10.64.0.3"]
    assert seen.hosts() == [["10.64.0.9"], [*everybody, "10.64.0.9"], everybody]
    assert not seen.failures


@without_waiting
async def test_slices_of_dns_names_are_skipped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    replay = Replay("hand-made")
    await published(replay, replay.over)
    (record,) = caplog.records
    assert "slices of DNS names are skipped: h-fqdn" in record.getMessage()
