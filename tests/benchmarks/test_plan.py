"""Options to arms."""

from dataclasses import replace
from pathlib import Path

from benchmarks.arm import Mode, Wire
from benchmarks.plan import Options, arms

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
    assert [arm.key for arm in planned[:21]] == [arm.key for arm in planned[21:42]]
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
