"""Peak EWMA: the faster one, and away from a slow one with its first slow answer."""

import collections
import math
import random

import pytest

from discovery.latency import DECAY_S, UNKNOWN_S, Latency
from discovery.model import Endpoint, Outcome, Snapshot
from discovery.node import Node
from discovery.policies.peak_ewma import PeakEwma
from discovery.pool import Pool
from discovery.testing import FakeClock


class Served:
    """A pool whose endpoints answer after `takes_s[host]`."""

    def __init__(self, takes_s: dict[str, float], seed: int = 1) -> None:
        self.clock = FakeClock(100.0)
        self.takes_s = takes_s
        self.pool = Pool(PeakEwma(random=random.Random(seed).random), clock=self.clock)
        self.pool.update(Snapshot(tuple(Endpoint(host, 80) for host in takes_s)))

    def node(self, host: str) -> Node:
        return next(node for node in self.pool.nodes if node.endpoint.host == host)

    def request(self, outcome: Outcome = Outcome.SUCCESS) -> str:
        """One request, from beginning to end; the host that had it."""
        lease = self.pool.pick()
        assert lease is not None
        self.clock.advance(self.takes_s[lease.endpoint.host])
        lease.done(outcome)
        return lease.endpoint.host

    def requests(self, count: int) -> collections.Counter[str]:
        return collections.Counter(self.request() for _ in range(count))


def test_the_fastest_of_a_few_gets_the_requests() -> None:
    served = Served({"a": 0.010, "b": 0.020, "c": 0.040})
    served.requests(10)
    counted = served.requests(200)
    assert counted["a"] > 180


def test_of_many_the_slow_one_gets_what_two_choices_leave_it() -> None:
    served = Served({"slow": 0.2, **{f"fast-{number}": 0.01 for number in range(9)}})
    served.requests(100)
    # Never both choices: a pick of two different endpoints always has a faster one.
    assert served.requests(200)["slow"] <= 2


@pytest.mark.parametrize("seed", range(5))
def test_one_slow_answer_is_enough_to_be_avoided(seed: int) -> None:
    served = Served({"a": 0.01, "b": 0.01}, seed)
    served.requests(50)
    served.takes_s["a"] = 1.0
    while served.request() != "a":
        pass
    served.takes_s["a"] = 0.01
    assert served.requests(50) == {"b": 50}


def test_what_is_not_asked_for_long_is_tried_again() -> None:
    served = Served({"a": 0.01, "b": 0.01})
    served.requests(20)
    served.takes_s["a"] = 1.0
    while served.request() != "a":
        pass
    served.takes_s["a"] = 0.01
    served.clock.advance(DECAY_S * math.log(1.0 / 0.01) / 2)
    assert served.request() == "b"
    served.clock.advance(6 * DECAY_S)
    assert "a" in served.requests(3_000)


def test_requests_in_flight_multiply_the_cost() -> None:
    served = Served({"a": 0.010, "b": 0.025})
    served.requests(10)
    leases = [served.pool.pick() for _ in range(7)]
    hosts = collections.Counter(lease.endpoint.host for lease in leases if lease)
    assert hosts == {"a": 5, "b": 2}


def test_a_failure_that_is_fast_attracts_nothing() -> None:
    served = Served({"a": 0.02, "b": 0.03})
    served.requests(20)
    served.takes_s["a"] = 0.0001
    assert served.request(Outcome.FAILURE) == "a"
    assert served.requests(50) == {"b": 50}


def test_a_refusal_does_not_attract_and_a_cancellation_says_nothing() -> None:
    served = Served({"a": 0.02, "b": 0.03})
    served.requests(20)
    before = served.node("a").latency
    assert served.request(Outcome.CANCELLED) == "a"
    assert served.node("a").latency == before
    assert served.request(Outcome.BUSY) == "a"
    assert served.request() == "b"


def test_the_length_of_an_answer_is_no_latency() -> None:
    clock = FakeClock()
    pool = Pool(PeakEwma(), clock=clock)
    pool.update(Snapshot((Endpoint("a", 80),)))
    for answers_at in (0.0, 0.02):
        lease = pool.pick()
        assert lease is not None
        clock.advance(answers_at)
        lease.answered()
        clock.advance(60)
        lease.done()
        assert lease.node.latency is not None
        assert lease.node.latency.average_s == pytest.approx(answers_at, abs=1e-9)


def test_an_average_rises_at_once_and_falls_slowly() -> None:
    latency = Latency.observed(None, 0.1, now=0.0)
    assert latency == (0.1, 0.0)
    peak = Latency.observed(latency, 0.5, now=1.0)
    assert peak == (0.5, 1.0)
    after = Latency.observed(peak, 0.1, now=1.0 + DECAY_S)
    assert after.average_s == pytest.approx(0.1 + 0.4 / math.e)
    assert after.at == 1.0 + DECAY_S


def test_a_failure_counts_as_an_answer_of_usual_length_unless_it_took_longer() -> None:
    usual = Latency.observed(None, 0.1, now=0.0)
    assert Latency.observed(usual, 0.001, now=5.0, failed=True).average_s == 0.1
    assert Latency.observed(usual, 0.001, now=5.0).average_s < 0.1
    assert Latency.observed(usual, 7.0, now=5.0, failed=True).average_s == 7.0
    assert Latency.observed(None, 0.001, now=0.0, failed=True).average_s == UNKNOWN_S


def test_to_read_changes_nothing() -> None:
    served = Served({"a": 0.01, "b": 0.02})
    served.requests(20)
    before = {node: node.latency for node in served.pool.nodes}
    picker = PeakEwma().picker(served.pool.nodes)
    for _ in range(100):
        served.clock.advance(1)
        picker.pick(None, ())
    assert {node: node.latency for node in served.pool.nodes} == before
    (latency, _) = before.values()
    assert latency is not None
    assert latency.now_s(latency.at + DECAY_S) == latency.now_s(latency.at + DECAY_S)
    assert latency.now_s(latency.at + DECAY_S) == pytest.approx(latency.average_s / math.e)


@pytest.mark.parametrize("count", [1, 2, 20])
def test_an_endpoint_that_joins_quick_ones_is_tried_at_once_by_one_request(count: int) -> None:
    quick = {f"quick-{number}": 0.001 for number in range(count)}
    served = Served(quick)
    served.requests(20 * count)
    served.takes_s["new"] = 0.001
    served.pool.update(Snapshot(tuple(Endpoint(host, 80) for host in served.takes_s)))
    leases = [served.pool.pick() for _ in range(10 * count)]
    assert sum(lease.endpoint.host == "new" for lease in leases if lease) == 1


def test_one_that_has_not_answered_yet_counts_as_one_of_usual_speed() -> None:
    served = Served({"a": UNKNOWN_S / 10, "b": UNKNOWN_S / 10})
    pending = [served.pool.pick(), served.pool.pick()]
    assert {lease.endpoint.host for lease in pending if lease} == {"a", "b"}
    for lease in pending:
        if lease is not None and lease.endpoint.host == "a":
            served.clock.advance(UNKNOWN_S / 10)
            lease.done()
    # The cost of b is that of one request of 30 ms: ten of a's.
    hosts = [lease.endpoint.host for lease in (served.pool.pick() for _ in range(12)) if lease]
    assert hosts.index("b") == 9
