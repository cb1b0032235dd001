"""Balancing: what can be set, what makes no sense, and what the environment says."""

from __future__ import annotations

import os
import platform
from dataclasses import FrozenInstanceError, replace

import pytest

from discovery import Balancer, Balancing, Endpoint, Outliers, RetryBudget
from discovery.policies.peak_ewma import PeakEwma
from discovery.policies.round_robin import RoundRobin
from discovery.testing import FakeClock, ManualResolver
from tests.discovery.pools import Served, endpoints


@pytest.mark.parametrize("name", ["subset", "slow_start_s", "max_in_flight", "max_waiting", "drain_s"])
def test_a_negative_number_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^Balancing\({name}=-1\): it must not be negative$"):
        Balancing(**{name: -1})  # type: ignore[arg-type]
    assert Balancing(**{name: 0}) is not None  # type: ignore[arg-type]


def test_there_is_at_least_one_try() -> None:
    with pytest.raises(ValueError, match=r"^Balancing\(tries=0\): there is at least the first one$"):
        Balancing(tries=0)


def test_it_is_a_value() -> None:
    one, other = Balancing(subset=3), Balancing(subset=3)
    assert one == other
    assert replace(one, subset=4) != one
    with pytest.raises(FrozenInstanceError):
        one.subset = 4  # type: ignore[misc]
    assert Balancing().outliers == Outliers()


def test_where_we_are_is_what_the_environment_says_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODE_NAME", raising=False)
    monkeypatch.delenv("NODE_ZONE", raising=False)
    assert (Balancing().our_node, Balancing().our_zone) == ("", "")
    monkeypatch.setenv("NODE_NAME", "node-7")
    monkeypatch.setenv("NODE_ZONE", "zone-a")
    assert (Balancing().our_node, Balancing().our_zone) == ("node-7", "zone-a")
    given = Balancing(node="node-1", zone="zone-b")
    assert (given.our_node, given.our_zone) == ("node-1", "zone-b")


def test_the_environment_decides_which_hints_are_for_us(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = (replace(each, for_zones=(zone,)) for each, zone in zip(endpoints(2), "ab", strict=True))
    monkeypatch.setenv("NODE_ZONE", "a")
    served = Served(0)
    served.update([here, there])
    assert [node.endpoint for node in served.nodes] == [here]
    monkeypatch.setenv("NODE_ZONE", "b")
    served = Served(0)
    served.update([here, there])
    assert [node.endpoint for node in served.nodes] == [there]


def test_the_environment_decides_which_zone_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_ZONE", "b")
    served = Served(0, Balancing(prefer_zone=True))
    served.update([replace(each, zone=zone) for each, zone in zip(endpoints(4), "aabb", strict=True)])
    assert {node.endpoint.zone for node in served.picks(10)} == {"b"}


def test_by_default_each_process_is_someone_else() -> None:
    assert Balancing().our_identity == f"{platform.node()}/{os.getpid()}"
    assert Balancing(identity="me").our_identity == "me"


def test_a_balancer_has_a_retry_budget_of_its_own_unless_one_is_shared() -> None:
    shared = Balancing(retry_budget=RetryBudget())
    one, other = (Balancer(resolver=ManualResolver(), balancing=shared) for _ in range(2))
    assert one.retry_budget is other.retry_budget is shared.retry_budget
    usual = Balancing()
    one, other = (Balancer(resolver=ManualResolver(), balancing=usual) for _ in range(2))
    assert one.retry_budget is not other.retry_budget


def test_what_a_balancer_shows_of_an_endpoint_is_what_its_pool_knows() -> None:
    clock = FakeClock()
    endpoint = Endpoint("10.0.0.1", 80)
    with Balancer(resolver=ManualResolver(endpoint), policy="peak_ewma", clock=clock) as balancer:
        lease = balancer.pick(timeout_s=30)
        clock.advance(0.25)
        lease.answered()
        lease.done()
        lease.node.report_check(False)
        (state,) = balancer.snapshot().endpoints
        assert (state.endpoint, state.latency_ms, state.sick, state.ejected) == (endpoint, 250.0, True, False)


def test_a_pool_measures_latency_only_where_the_policy_wants_it() -> None:
    for policy, measured in ((RoundRobin(), False), (PeakEwma(), True)):
        served = Served(1, policy=policy)
        served.picks(3)
        assert (served.nodes[0].latency is not None) is measured
