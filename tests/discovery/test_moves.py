"""Endpoints that move between slices, on a clock of the test's own, and through a whole watch."""

from typing import Any

import pytest

from discovery.resolvers._moves import Moves
from discovery.resolvers._slices import Slices
from tests.discovery.api_stand_in import CHUNKED, Script, chunk, event, item, listing
from tests.discovery.published import HOLD_S, published
from tests.discovery.recordings import read
from tests.discovery.skipped_time import without_waiting

Hosts = dict[str, list[str]]


def slices(hosts: Hosts, port: int = 80, **conditions: bool) -> Slices:
    """A slice for each name, with these addresses."""
    items: list[dict[str, Any]] = [
        {
            "metadata": {"name": name},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port}],
            "endpoints": [{"addresses": [host], "conditions": conditions} for host in listed],
        }
        for name, listed in hosts.items()
    ]
    return read(Slices(), "list", {"metadata": {"resourceVersion": "1"}, "items": items})


def served(moves: Moves, now: float) -> list[str]:
    return [each.host for each in moves.slices(now).snapshot("http").endpoints]


def test_an_endpoint_that_moves_neither_doubles_nor_vanishes() -> None:
    moves = Moves(hold_s=0.02)
    moves.take(slices({"a": ["10.0.0.1", "10.0.0.2"], "b": []}), 1.0)
    moves.take(slices({"a": ["10.0.0.1"], "b": []}), 2.0)
    assert served(moves, 2.0) == ["10.0.0.1", "10.0.0.2"]
    moves.take(slices({"a": ["10.0.0.1"], "b": ["10.0.0.2"]}), 2.01)
    assert served(moves, 2.01) == ["10.0.0.1", "10.0.0.2"]
    assert moves.left_s(2.01) is None


def test_one_that_is_gone_is_let_go_when_the_time_is_over() -> None:
    moves = Moves(hold_s=0.02)
    moves.take(slices({"a": ["10.0.0.1", "10.0.0.2"]}), 1.0)
    assert moves.left_s(1.0) is None
    moves.take(slices({"a": ["10.0.0.1"]}), 2.0)
    moves.take(slices({"a": ["10.0.0.1", "10.0.0.3"]}), 2.015)
    left_s = moves.left_s(2.015)
    assert left_s is not None
    assert abs(left_s - 0.005) < 1e-9
    assert served(moves, 2.019) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert served(moves, 2.021) == ["10.0.0.1", "10.0.0.3"]
    assert moves.left_s(2.021) is None


def test_what_is_new_or_no_longer_ready_is_passed_on_at_once() -> None:
    moves = Moves(hold_s=0.02)
    moves.take(slices({"a": ["10.0.0.1"]}), 1.0)
    moves.take(slices({"a": ["10.0.0.1", "10.0.0.2"]}), 2.0)
    assert served(moves, 2.0) == ["10.0.0.1", "10.0.0.2"]
    moves.take(slices({"a": ["10.0.0.1", "10.0.0.2"]}, ready=False), 3.0)
    assert served(moves, 3.0) == []
    assert moves.left_s(3.0) is None


def test_a_slice_that_is_deleted_is_held_as_its_endpoints_are() -> None:
    moves = Moves(hold_s=0.02)
    moves.take(slices({"a": ["10.0.0.1"]}), 1.0)
    moves.take(slices({}), 2.0)
    assert served(moves, 2.0) == ["10.0.0.1"]
    assert served(moves, 2.03) == []


def test_a_new_port_of_an_address_is_not_a_move() -> None:
    moves = Moves(hold_s=0.02)
    moves.take(slices({"a": ["10.0.0.1"]}), 1.0)
    moves.take(slices({"a": ["10.0.0.1"]}, port=90), 2.0)
    assert [each.port for each in moves.slices(2.0).snapshot("http").endpoints] == [90]


def test_an_address_that_leaves_two_slices_at_once_is_held_with_both_its_ports() -> None:
    moves = Moves(hold_s=0.02)
    both = {**slices({"a": ["10.0.0.1"]}).by_name, **slices({"b": ["10.0.0.1"]}, port=90).by_name}
    moves.take(Slices("1", both), 1.0)
    moves.take(slices({}), 2.0)
    assert [each.port for each in moves.slices(2.0).snapshot("http").endpoints] == [80, 90]


BOTH = listing(5, item(3, "10.0.0.1", "10.0.0.2"), item(4, name="echo-2"))
LEFT = event("MODIFIED", item(6, "10.0.0.2"))
CAME = event("MODIFIED", item(7, "10.0.0.1", name="echo-2"))


@without_waiting
async def test_through_a_whole_watch_a_move_within_the_hold_is_not_seen() -> None:
    script = Script(BOTH, (CHUNKED, 1.0, chunk(LEFT), 0.019, chunk(CAME), 1.0, chunk()))
    seen = await published(script, script.over)
    assert seen.hosts() == [["10.0.0.1", "10.0.0.2"]]


@without_waiting
async def test_through_a_whole_watch_what_left_is_let_go_after_the_hold() -> None:
    script = Script(BOTH, (CHUNKED, 1.0, chunk(LEFT), 0.021, chunk(CAME), 1.0, chunk()))
    seen = await published(script, script.over)
    assert seen.hosts() == [["10.0.0.1", "10.0.0.2"], ["10.0.0.2"], ["10.0.0.1", "10.0.0.2"]]
    left, let_go, came = [at_s for at_s, _ in seen.sets[1:]]
    assert let_go - left == pytest.approx(HOLD_S)
    assert came > let_go


@without_waiting
async def test_what_left_is_let_go_though_the_watch_fails_within_the_hold() -> None:
    script = Script(BOTH, (CHUNKED, 1.0, chunk(LEFT), 0.01))
    seen = await published(script, script.over)
    assert seen.hosts() == [["10.0.0.1", "10.0.0.2"], ["10.0.0.2"]]


@without_waiting
async def test_all_that_left_is_let_go_though_the_watch_fails_and_each_in_its_time() -> None:
    three = listing(5, item(3, "10.0.0.1", "10.0.0.2", "10.0.0.3"))
    gone = [chunk(event("MODIFIED", item(6, "10.0.0.2", "10.0.0.3"))), chunk(event("MODIFIED", item(7, "10.0.0.3")))]
    script = Script(three, (CHUNKED, 1.0, gone[0], 0.005, gone[1], 0.005))
    seen = await published(script, script.over)
    assert seen.hosts()[-1] == ["10.0.0.3"]
