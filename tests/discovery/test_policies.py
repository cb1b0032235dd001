"""Policies: exact where they promise it, on threads too."""

import collections
import itertools
import random
import threading
from collections.abc import Sequence

import pytest

from discovery import registry
from discovery.model import Endpoint
from discovery.node import Lease, Node
from discovery.policies import Picker
from discovery.policies.least_request import LeastRequest
from discovery.policies.round_robin import RoundRobin


def nodes(count: int) -> Sequence[Node]:
    return [Node(Endpoint(f"10.0.0.{number}", 80)) for number in range(count)]


def picks(picker: Picker, count: int) -> collections.Counter[Node]:
    return collections.Counter(picker.pick(None, ()) for _ in range(count))


@pytest.mark.parametrize("policy", ["round_robin", "least_request"])
def test_idle_endpoints_are_balanced_exactly(policy: str) -> None:
    picker = registry.policy(policy).picker(nodes(7))
    for _ in range(20):
        counted = picks(picker, 10)
        assert max(counted.values()) - min(counted.values()) <= 1


def test_clients_begin_at_different_endpoints() -> None:
    chosen = nodes(5)
    policy = RoundRobin(random=random.Random(1).random)
    assert {policy.picker(chosen).pick(None, ()) for _ in range(50)} == set(chosen)


def test_round_robin_is_exact_under_threads() -> None:
    picker = RoundRobin().picker(nodes(3))
    counted: list[collections.Counter[Node]] = []
    threads = [threading.Thread(target=lambda: counted.append(picks(picker, 3_000))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(sum(counted, collections.Counter()).values()) == {8_000}


def test_least_request_prefers_the_less_loaded_of_two() -> None:
    busy, idle = nodes(2)
    leases = [Lease().begin(busy) for _ in range(5)]
    picker = LeastRequest(random=random.Random(1).random).picker([busy, idle])
    assert picks(picker, 1_000) == {idle: 1_000}
    for lease in leases:
        lease.done()
    assert set(picks(picker, 1_000).values()) == {500}


def test_a_tie_goes_to_the_one_whose_turn_it_is() -> None:
    chosen = nodes(4)
    picker = LeastRequest(random=lambda: 0.0).picker(chosen)
    assert [picker.pick(None, ()) for _ in range(4)] == list(chosen)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_least_request_compares_each_turn_with_any_of_the_others_and_never_with_itself(count: int) -> None:
    *busy, idle = nodes(count)
    leases = [Lease().begin(node) for node in busy]
    others = count - 1
    # One for the start, and then each throw once for each busy one's turn: the idle one takes its turn without.
    throws = itertools.chain(
        [0.0], (((turn + shift) % others + 0.5) / others for shift in range(others) for turn in range(others))
    )
    picker = LeastRequest(random=lambda: next(throws)).picker([*busy, idle])
    counted = picks(picker, count * others)
    assert counted == {idle: count - 1 + len(leases)} | {node: count - 2 for node in busy if count > 2}


@pytest.mark.parametrize("policy", ["round_robin", "least_request"])
def test_endpoints_to_avoid_are_avoided_while_there_is_another(policy: str) -> None:
    chosen = nodes(3)
    picker = registry.policy(policy).picker(chosen)
    avoid = {chosen[0].endpoint, chosen[2].endpoint}
    assert {picker.pick(None, avoid) for _ in range(20)} == {chosen[1]}
    assert picker.pick(None, {node.endpoint for node in chosen}) in chosen
