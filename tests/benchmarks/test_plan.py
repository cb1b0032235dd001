"""Options to arms."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks import scenarios
from benchmarks.arm import Arm, Client, Key, Mode, Wire
from benchmarks.options import options
from benchmarks.plan import Options, arms, expected_total_s, seed
from benchmarks.strategies import find

QUICK = Options(
    strategies=("kubernetes", "service-dns", "static"),
    wires=("http", "grpc"),
    clients=("sync", "asyncio"),
    scenarios=("steady", "scale-up"),
    policy="round_robin",
    replicas=3,
    rate_rps=600.0,
    warmup_s=0.3,
    duration_s=1.8,
    repeats=1,
    output=Path("results"),
    quick=True,
)


def modes(strategy: str, wire: Wire) -> tuple[Mode, ...]:
    return ("kept", "per-request") if (strategy, wire) == ("service-dns", "http") else ("kept",)


def picks(strategy: str) -> bool:
    return strategy != "service-dns"


def test_quick_is_twenty_one_arms() -> None:
    planned = arms(QUICK, modes, picks)

    assert len(planned) == len(set(planned)) == 21
    assert {arm.client for arm in planned if arm.scenario == "scale-up"} == {"asyncio"}
    assert sum(arm.scenario == "steady" for arm in planned) == 14


def test_the_full_plan_has_scale_up_for_both_clients() -> None:
    assert len(arms(replace(QUICK, quick=False), modes, picks)) == 28


def test_quick_with_sync_alone_still_scales_up() -> None:
    planned = arms(replace(QUICK, clients=("sync",)), modes, picks)

    assert {(arm.scenario, arm.client) for arm in planned} == {("steady", "sync"), ("scale-up", "sync")}


def test_repeats_are_interleaved() -> None:
    planned = arms(replace(QUICK, repeats=3), modes, picks)

    assert [arm.repeat for arm in planned] == [0] * 21 + [1] * 21 + [2] * 21
    assert len({arm.key for arm in planned}) == 21


def test_a_policy_only_where_the_client_picks() -> None:
    assert {(arm.strategy, arm.policy) for arm in arms(QUICK, modes, picks)} == {
        ("kubernetes", "round_robin"),
        ("static", "round_robin"),
        ("service-dns", None),
    }


def test_a_target_is_named_by_its_scheme() -> None:
    (arm,) = arms(
        replace(QUICK, strategies=("static:///a:1",), wires=("http",), clients=("sync",), scenarios=("steady",)),
        modes,
        picks,
    )

    assert (arm.name, arm.variant) == ("static", "static:///a:1")


def follows(planned: Sequence[Arm]) -> set[tuple[Key, Key]]:
    return {(one.key, other.key) for one, other in pairwise(planned)}


def test_no_arm_follows_the_same_one_again_in_the_next_repeat() -> None:
    planned = arms(replace(QUICK, repeats=20), modes, picks)

    repeats = [planned[begin : begin + 21] for begin in range(0, len(planned), 21)]
    assert all(follows(one).isdisjoint(follows(other)) for one, other in pairwise(repeats))
    assert len({tuple(arm.key for arm in repeat) for repeat in repeats}) == 20
    assert planned == arms(replace(QUICK, repeats=20), modes, picks)


@pytest.mark.parametrize("clients", [("sync",), ("sync", "asyncio")])
def test_few_arms_are_repeated_too(clients: tuple[Client, ...]) -> None:
    few = replace(QUICK, strategies=("static",), wires=("grpc",), clients=clients, scenarios=("steady",), repeats=5)

    assert len(arms(few, modes, picks)) == 5 * len(clients)


def test_a_brief_plan_is_whole_where_nothing_happens() -> None:
    planned = arms(replace(QUICK, quick=False, brief=True, repeats=3), modes, picks)

    steady, scaled = ([arm for arm in planned if arm.scenario == name] for name in ("steady", "scale-up"))
    assert len(steady) == 3 * 14
    assert len(scaled) == 2 * 6
    assert {(arm.client, arm.mode) for arm in scaled} == {("asyncio", "kept")}


def test_each_arm_and_repeat_has_a_seed_of_its_own() -> None:
    planned = arms(replace(QUICK, repeats=3), modes, picks)

    assert len({seed(arm) for arm in planned}) == len(planned)


def test_the_default_run_is_expected_to_take_under_six_minutes() -> None:
    given = options([])
    planned = arms(given, lambda strategy, wire: find(strategy).modes(wire), lambda strategy: not find(strategy).l4)

    assert expected_total_s(given, planned, scenarios.find) < 350


def test_the_time_that_it_takes_grows_with_pods_and_repeats() -> None:
    def total_s(given: Options, scenario: str) -> float:
        return expected_total_s(given, arms(given, modes, picks), lambda _: scenarios.find(scenario))

    fresh = replace(QUICK, quick=False)
    assert total_s(fresh, "scale-up") > total_s(fresh, "steady")
    assert total_s(fresh, "steady") > total_s(QUICK, "scale-up") == total_s(QUICK, "steady")
    assert total_s(replace(QUICK, repeats=10), "steady") > 9 * total_s(QUICK, "steady")
