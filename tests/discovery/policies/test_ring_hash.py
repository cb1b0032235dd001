"""Ring hash: a key has its endpoint, a change moves only what it must, and nobody is overloaded."""

from __future__ import annotations

import collections
import math
import random

import pytest

from discovery.model import Endpoint
from discovery.node import Lease, Node
from discovery.policies import Picker
from discovery.policies.ring_hash import FEWER_POINTS, MANY, RingHash
from tests.discovery.policies.served import busy, nodes

KEYS = [f"user-{number}" for number in range(2_000)]


def owners(chosen: list[Node]) -> dict[str, Endpoint]:
    """Of each key, while all are idle."""
    picker = RingHash().picker(chosen)
    return {key: picker.pick(key, ()).endpoint for key in KEYS}


def test_a_key_has_the_same_endpoint_for_every_client_in_any_order_of_the_set() -> None:
    chosen = nodes(10)
    shuffled = random.Random(1).sample(chosen, len(chosen))
    assert owners(chosen) == owners(shuffled) == owners(nodes(10))


def test_an_endpoint_that_goes_moves_its_own_keys_alone() -> None:
    chosen = nodes(10)
    before, after = owners(chosen), owners(chosen[:4] + chosen[5:])
    gone = chosen[4].endpoint
    assert {key for key in KEYS if before[key] != after[key]} == {key for key in KEYS if before[key] == gone}


def test_an_endpoint_that_comes_takes_keys_and_moves_none_between_others() -> None:
    chosen = nodes(11)
    before, after = owners(chosen[:10]), owners(chosen)
    moved = {key for key in KEYS if before[key] != after[key]}
    assert {after[key] for key in moved} == {chosen[10].endpoint}
    assert len(moved) / len(KEYS) == pytest.approx(1 / 11, abs=0.04)


def test_keys_are_spread_over_all_endpoints() -> None:
    counted = collections.Counter(owners(nodes(10)).values())
    assert len(counted) == 10
    assert max(counted.values()) < 1.5 * len(KEYS) / 10


def most(chosen: list[Node]) -> tuple[int, int]:
    """The most requests in flight on one, and on all."""
    loads = [len(node.leases) for node in chosen]
    return max(loads), sum(loads)


@pytest.mark.parametrize("count", [2, 3, 10, 50])
def test_one_hot_key_does_not_load_its_endpoint_beyond_the_bound(count: int) -> None:
    chosen = nodes(count)
    picker = RingHash().picker(chosen)
    for _ in range(40 * count):
        busy(picker.pick("hot", ()), 1)
        highest, total = most(chosen)
        assert highest <= math.ceil(1.25 * total / count)


def test_the_bound_holds_while_as_many_come_as_go() -> None:
    chance, chosen = random.Random(2), nodes(10)
    picker = RingHash(random=chance.random).picker(chosen)
    leases: list[Lease] = []
    for step in range(6_000):
        if len(leases) >= 100:
            leases.pop(chance.randrange(len(leases))).done()
        # Zipf's law, near enough: a few keys have most of the requests.
        key = f"user-{int(1 / (chance.random() + 0.001))}"
        leases += busy(picker.pick(key, ()), 1)
        highest, total = most(chosen)
        if step >= 100:
            # The sum is looked at once for as many picks as there are endpoints.
            assert highest <= math.ceil(1.25 * (total + len(chosen)) / len(chosen))


def test_a_key_goes_to_the_next_on_the_ring_when_its_endpoint_is_full_and_back() -> None:
    chosen = nodes(3)
    picker = RingHash().picker(chosen)
    home = picker.pick("key", ())
    leases = busy(home, 10)
    away = _settled(picker, "key", chosen)
    assert away is not home
    assert {picker.pick("key", ()) for _ in range(10)} == {away}
    for lease in leases:
        lease.done()
    assert _settled(picker, "key", chosen) is home


def test_a_key_stays_where_it_is_under_load_as_long_as_the_bound_allows() -> None:
    chosen = nodes(3)
    picker = RingHash().picker(chosen)
    home = picker.pick("key", ())
    for node in chosen:
        busy(node, 20)
    busy(home, 5)
    # It has 25, and 1.25 times the mean of 65 requests and this one is 27.5; then 35, and 31.7.
    assert _settled(picker, "key", chosen) is home
    busy(home, 10)
    assert _settled(picker, "key", chosen) is not home


def _settled(picker: Picker, key: str, chosen: list[Node]) -> Node:
    """The pick when the loads have been looked at since they changed."""
    return [picker.pick(key, ()) for _ in range(len(chosen) + 1)][-1]


def test_failures_of_late_count_as_load() -> None:
    chosen = nodes(3)
    picker = RingHash().picker(chosen)
    home = picker.pick("key", ())
    home.penalty = 3
    assert picker.pick("key", ()) is not home
    home.penalty = 0
    assert picker.pick("key", ()) is home


def test_requests_without_a_key_are_spread() -> None:
    chosen = nodes(10)
    picker = RingHash(random=random.Random(3).random).picker(chosen)
    for _ in range(1_000):
        busy(picker.pick(None, ()), 1)
    loads = [len(node.leases) for node in chosen]
    assert min(loads) > 50
    assert max(loads) <= 1.25 * 100 + 1


def test_a_key_whose_endpoint_is_avoided_goes_to_the_next_and_all_avoided_to_the_least_loaded() -> None:
    chosen = nodes(4)
    picker = RingHash().picker(chosen)
    home = picker.pick("key", ())
    others = {picker.pick("key", [home.endpoint]) for _ in range(10)}
    assert len(others) == 1
    assert home not in others
    for node in chosen[:3]:
        busy(node, 2)
    assert picker.pick("key", [node.endpoint for node in chosen]) is chosen[3]


def test_many_endpoints_have_fewer_points_and_keep_the_rules() -> None:
    chosen = nodes(MANY + 2)
    picker = RingHash().picker(chosen)
    before = {key: picker.pick(key, ()) for key in KEYS}
    assert len(set(before.values())) > MANY / 2
    assert FEWER_POINTS * MANY > 1024
    later = RingHash().picker([node for node in chosen if node is not before["user-0"]])
    for key in KEYS:
        assert before[key] is before["user-0"] or later.pick(key, ()) is before[key]
