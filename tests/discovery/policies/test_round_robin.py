"""Round robin: exact to one request, on threads too."""

import collections
import random
import threading

import pytest

from discovery.node import Node
from discovery.policies.round_robin import RoundRobin
from tests.discovery.policies.served import nodes, picks


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_at_each_moment_no_endpoint_is_more_than_one_request_ahead_of_another(count: int) -> None:
    chosen = nodes(count)
    picker = RoundRobin(random=random.Random(count).random).picker(chosen)
    counted = collections.Counter(dict.fromkeys(chosen, 0))
    for _ in range(3 * count + 1):
        counted[picker.pick(None, ())] += 1
        assert max(counted.values()) - min(counted.values()) <= 1


def test_clients_begin_at_different_endpoints() -> None:
    chosen = nodes(5)
    policy = RoundRobin(random=random.Random(1).random)
    assert {policy.picker(chosen).pick(None, ()) for _ in range(50)} == set(chosen)


def test_it_is_exact_under_threads() -> None:
    picker = RoundRobin().picker(nodes(3))
    counted: list[collections.Counter[Node]] = []
    threads = [threading.Thread(target=lambda: counted.append(picks(picker, 3_000))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(sum(counted, collections.Counter()).values()) == {8_000}


def test_those_that_are_not_avoided_take_turns() -> None:
    chosen = nodes(4)
    picker = RoundRobin().picker(chosen)
    counted = collections.Counter(picker.pick(None, {chosen[1].endpoint}) for _ in range(30))
    assert counted == {chosen[0]: 10, chosen[2]: 10, chosen[3]: 10}
