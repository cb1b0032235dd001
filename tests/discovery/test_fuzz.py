"""Mutated lines of a real stream: nothing but an ordinary error, and never a set that no line has told."""

from __future__ import annotations

import json
import random

import msgspec

from discovery.policies.round_robin import RoundRobin
from discovery.pool import Pool
from discovery.resolvers import _wire
from discovery.resolvers._slices import Slices
from discovery.testing import FakeClock
from tests.discovery.recordings import recorded


def mutated(line: bytes, chance: random.Random) -> bytes:
    """The line with a few bytes changed, dropped, doubled, or replaced by something that JSON means something by."""
    text = bytearray(line)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text))
        match chance.randrange(4):
            case 0:
                text[at] = chance.randrange(256)
            case 1:
                del text[at : at + chance.randint(1, 20)]
            case 2:
                text[at:at] = text[at : at + chance.randint(1, 20)]
            case _:
                text[at : at + 1] = chance.choice(
                    [b"null", b"{}", b"[]", b"-1", b'"x"', b"1e999", b"true", b"\xff", b"99999999"]
                )
        if not text:
            return b"{}"
    return bytes(text)


def test_a_mutated_line_is_an_ordinary_error_or_a_set_that_can_be_served() -> None:
    chance, count = random.Random(20), 100_000
    lines = [json.dumps(body).encode() for kind, body in recorded("lifecycle") if kind == "event"]
    added = _wire.read_event(lines[8])
    assert isinstance(added, _wire.Added | _wire.Modified)
    good = Slices().after(added)
    pool = Pool(RoundRobin(), clock=FakeClock())
    survived = 0
    for _ in range(count):
        try:
            event = _wire.read_event(mutated(chance.choice(lines), chance))
            snapshot = (good if isinstance(event, _wire.Failed) else good.after(event)).snapshot("http")
        except (msgspec.DecodeError, ValueError, RecursionError):
            continue  # the watch would begin anew with a list
        survived += 1
        pool.update(snapshot)
        assert [node.endpoint for node in pool.nodes] == list(snapshot.endpoints)
    assert survived > count / 20
    pool.update(good.snapshot("http"))
    assert {node.endpoint for node in pool.nodes} == set(good.snapshot("http").endpoints)
