"""What is done to make changes of large sets cheap does not show."""

import random

from discovery.model import Endpoint, Snapshot
from discovery.node import Node
from discovery.policies.least_request import LeastRequest
from discovery.policies.ring_hash import MANY, RingHash
from discovery.policies.round_robin import RoundRobin
from discovery.policies.weighted_round_robin import WeightedRoundRobin
from discovery.pool import Pool
from discovery.testing import FakeClock
from tests.discovery.test_pool import Connections

KEYS = [f"key-{number}" for number in range(200)]


def endpoints(count: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(f"10.0.{number // 250}.{number % 250}", 80) for number in range(count))


def test_a_ring_that_was_changed_step_by_step_is_that_of_its_last_set() -> None:
    draw = random.Random(1)
    changed = RingHash()
    nodes = [Node(each) for each in endpoints(MANY + 20)]
    for size in (3, 40, 30, MANY + 1, MANY + 20, MANY, 5, 4, 4):
        chosen = draw.sample(nodes, size)
        picker, anew = changed.picker(chosen), RingHash().picker(chosen)
        assert [picker.pick(key, ()) for key in KEYS] == [anew.pick(key, ()) for key in KEYS]


def test_an_endpoint_that_is_in_a_set_twice_is_opened_once() -> None:
    connections = Connections()
    pool = Pool(LeastRequest(), clock=FakeClock(), connector=connections)
    one, other = endpoints(2)
    for listed in ((one, one, other), (one, other, one)):
        pool.update(Snapshot(listed))
        assert {node.endpoint for node in connections.opened} == {one, other}
        assert (len(connections.opened), connections.closed) == (2, [])


def test_a_weight_that_changes_counts_at_once() -> None:
    one, other = endpoints(2)
    pool = Pool(WeightedRoundRobin(), clock=FakeClock())
    pool.update(Snapshot((one, other)))
    pool.update(Snapshot((one, Endpoint(other.host, other.port, weight=3))))
    picked = [lease.endpoint.host for _ in range(400) if (lease := pool.pick()) is not None]
    assert picked.count(other.host) == 3 * picked.count(one.host)


def test_a_rotation_goes_on_through_a_set_that_says_the_same_anew() -> None:
    pool = Pool(RoundRobin(), clock=FakeClock())
    picked = []
    for _ in range(12):
        pool.update(Snapshot(endpoints(4)))
        lease = pool.pick()
        assert lease is not None
        picked.append(lease.endpoint)
        lease.done()
    assert all(picked.count(each) == 3 for each in endpoints(4))
