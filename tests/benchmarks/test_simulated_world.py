"""The model that policies are judged in: it agrees with queueing theory, and deals the same requests to all."""

import math

import pytest

from benchmarks.simulation.findings import Expectation, text
from benchmarks.simulation.plain import TwoAtRandom
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.server import ERROR_S, WORK_S, WORKERS
from benchmarks.simulation.tally import between, evenness, latency_ms, percent, percent_over_time
from benchmarks.simulation.world import HOT, Traffic, World


def world(policy: str = "round_robin", *, endpoints: int = 3, clients: int = 1, seed: str = "1") -> World:
    made = World(seed, (1.0,) * endpoints)
    for _ in range(clients):
        made.join(POLICIES[policy])
    return made


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_one_endpoint_queues_as_erlang_has_it(load: float) -> None:
    offered = load * WORKERS
    busy = offered**WORKERS / math.factorial(WORKERS) / (1 - load)
    waits = busy / (busy + sum(offered**each / math.factorial(each) for each in range(WORKERS)))
    expected_s = WORK_S + waits * WORK_S / WORKERS / (1 - load)
    simulated = world(endpoints=1)

    simulated.run(Traffic(load * simulated.capacity_rps), 400.0)

    latencies = [request.latency_s for request in simulated.requests]
    assert sum(latencies) / len(latencies) == pytest.approx(expected_s, rel=0.03)


def test_what_work_takes_is_exponential() -> None:
    simulated = world(endpoints=1)
    simulated.run(Traffic(0.01 * simulated.capacity_rps), 5000.0)
    p50, p99, _ = latency_ms(simulated.requests)
    assert p50 == pytest.approx(6.93, rel=0.03)
    assert p99 == pytest.approx(46.1, rel=0.05)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_gets_the_same_requests(policy: str) -> None:
    traffic = Traffic(500.0, batch=3, hot=0.2, bad=0.1)
    dealt = []
    for name in ("random", policy):
        simulated = world(name, clients=4)
        simulated.run(traffic, 2.0)
        clients = {client: number for number, client in enumerate(simulated.clients)}
        dealt.append(
            [
                (each.due_s, each.work_s, each.key, each.bad, clients[each.lease.node.owner])  # type: ignore[index]
                for each in simulated.requests
            ]
        )
    assert dealt[0] == dealt[1]
    assert len({key for _, _, key, _, _ in dealt[0]} - {HOT}) > 100


@pytest.mark.parametrize("policy", [*POLICIES, "two at random"])
def test_the_same_seed_gives_the_same_picks_and_another_does_not(policy: str) -> None:
    picks = []
    for seed in ("1", "1", "2"):
        simulated = World(seed, (1.0, 2.0, 3.0))
        simulated.join(POLICIES.get(policy, lambda dice: TwoAtRandom(random=dice)))
        simulated.run(Traffic(400.0), 2.0)
        picks.append([(request.server.endpoint.name, request.ended_s) for request in simulated.requests])
    assert picks[0] == picks[1] != picks[2]


def test_a_run_waits_for_the_last_answer() -> None:
    simulated = world(endpoints=1)
    simulated.run(Traffic(3 * simulated.capacity_rps), 2.0)
    assert all(request.answered for request in simulated.requests)
    assert max(request.ended_s for request in simulated.requests) > 4.0
    assert not any(node.leases for node in simulated.clients[0].nodes)


def test_a_failing_endpoint_answers_at_once_and_badly() -> None:
    simulated = world(endpoints=2)
    simulated.servers[0].failing = True
    simulated.run(Traffic(20.0), 1.0)
    failed = [request for request in simulated.requests if request.server is simulated.servers[0]]
    assert failed
    assert all(not request.ok and request.latency_s == pytest.approx(ERROR_S) for request in failed)
    assert all(request.ok for request in simulated.requests if request.server is simulated.servers[1])


def test_a_slower_endpoint_can_do_less() -> None:
    simulated = World("1", (1.0, 2.0, 4.0))
    assert simulated.capacity_rps == pytest.approx(WORKERS / WORK_S * 1.75)


def test_shares_are_of_the_requests_of_their_time() -> None:
    simulated = world(endpoints=4)
    simulated.run(Traffic(400.0), 4.0)
    some = between(simulated.requests, 1.0, 2.0)
    assert all(1.0 <= request.due_s < 2.0 for request in some)
    assert 300 < len(some) < 500
    assert percent(some, simulated.servers[0]) == pytest.approx(25, abs=0.5)
    assert evenness(some, simulated.servers).max_over_mean == pytest.approx(1, abs=0.02)
    line = percent_over_time("x", simulated.requests, simulated.servers[0], 1.0, 3.0, 0.5)
    assert line.xs == [0.25, 0.75, 1.25, 1.75]
    assert line.ys == pytest.approx([25] * 4, abs=1)


def test_an_expectation_says_what_it_is_and_whether_it_holds() -> None:
    held, broken = Expectation("p99", 0.12345, 0.2), Expectation("% in zone", 79, 80, at_least=True)
    assert (held.holds, broken.holds) == (True, False)
    assert (str(held), str(broken)) == ("p99: 0.123, at most 0.200", "% in zone: 79, at least 80")


@pytest.mark.parametrize(
    ("number", "shown"),
    [(3, "3"), (0.0, "0"), (12345.6, "12346"), (99.94, "99.9"), (1.0004, "1.00"), (0.00123, "0.00123")],
)
def test_numbers_have_three_digits(number: float, shown: str) -> None:
    assert text(number) == shown
