"""What `diff` says of synthetic results: many seeded pairs of the same code, and of code that is 5 ms slower."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest
from hdrh.histogram import HdrHistogram

from benchmarks.changes import Comparison, compare
from benchmarks.result import Environment, Event, Latency, Reaction, Result, Run
from benchmarks.statistics import LEVEL, beyond
from benchmarks.summary import not_run, summarize
from tests.benchmarks.test_plan import QUICK
from tests.benchmarks.test_summary import ARM, STEADY

ENVIRONMENT = Environment("3.11.7", {"httpx": "0.28.1"}, 2, "6.1", "nftables", "lab")
TEMPLATE = summarize(ARM, QUICK, STEADY)
PAIRS = 40

Noise = Callable[[Random], float]


def gaussian(random: Random) -> float:
    return random.gauss(0.0, 1.0)


def heavy_tailed(random: Random) -> float:
    """Student's t with 3 degrees of freedom, of about the same width: once in a while a run is far off."""
    return random.gauss(0.0, 1.0) / math.sqrt(random.gammavariate(1.5, 2.0) / 3)


def results(
    random: Random,
    repeats: int,
    noise: Noise,
    *,
    changed: Callable[[Run], Run] = lambda run: run,
    command: float = 0.02,
    minute: float = 0.05,
) -> Result:
    """Twenty arms, some noisy and some quiet; `command` and `minute` are noises that arms have in common."""
    arms = Random("arms")
    kinds = [(f"way-{number}", math.exp(arms.gauss(1.8, 0.7)), math.exp(arms.gauss(-3.2, 0.5))) for number in range(20)]
    slower = random.gauss(0.0, command)
    minutes = [slower + minute * noise(random) for _ in range(repeats)]
    runs = []
    for repeat, common in enumerate(minutes):
        for name, p50_ms, own in kinds:

            def by(factor: float, common: float = common, own: float = own) -> float:
                return math.exp(common + factor * own * noise(random))

            run = replace(
                TEMPLATE,
                strategy=name,
                repeat=repeat,
                latency_ms=Latency(p50_ms * by(1), 0.0, 3 * p50_ms * by(4), 0.0, 0.0),
                achieved_rps=599.0 - 5 * random.random(),
                client_cpu_us_per_request=500 * by(1),
                max_over_mean=1 + abs(own * noise(random)) if p50_ms > 5 else 1.0,
                errors=0,
                requests=1200,
            )
            runs.append(changed(run))
    return Result(1, ENVIRONMENT, "2026-01-01T00:00:00+00:00", "python", tuple(runs))


def five_ms_slower(run: Run) -> Run:
    """One arm, of 6 ms."""
    if run.strategy != "way-0" or run.latency_ms is None:
        return run
    latency = run.latency_ms
    return replace(run, latency_ms=replace(latency, p50=latency.p50 + 5.0, p99=latency.p99 + 5.0))


def pairs(
    repeats: int, noise: Noise, changed: Callable[[Run], Run], *, command: float = 0.02, minute: float = 0.05
) -> Iterator[Comparison]:
    for number in range(PAIRS):
        random = Random(f"pair {number}")
        before = results(random, repeats, noise, command=command, minute=minute)
        yield compare(before, results(random, repeats, noise, changed=changed, command=command, minute=minute))


def unchanged(run: Run) -> Run:
    return run


@pytest.mark.parametrize(("repeats", "noise"), [(2, gaussian), (3, heavy_tailed), (5, gaussian)])
def test_of_results_of_the_same_code_one_in_twenty_is_a_false_alarm_at_most(repeats: int, noise: Noise) -> None:
    alarms = sum(bool(found.news) for found in pairs(repeats, noise, unchanged))

    assert alarms <= 0.05 * PAIRS


def test_a_machine_that_was_slower_all_along_is_no_news_of_any_arm() -> None:
    found = [each.news for each in pairs(5, gaussian, unchanged, command=0.1)]

    assert sum(any(change.arm for change in news) for news in found) <= 0.05 * PAIRS


def test_noise_is_more_than_one_comparison_would_bear() -> None:
    """Else the test above could not fail: without the correction, most pairs would raise an alarm."""
    uncorrected = [
        any(beyond(math.log(change.ratio), change.error, change.freedom, 0.0) < LEVEL for change in found.changes)
        for found in pairs(3, gaussian, unchanged)
    ]

    assert sum(uncorrected) > 0.5 * PAIRS


@pytest.mark.parametrize("minute", [0.2])
def test_five_milliseconds_more_in_one_arm_are_found_however_the_minutes_differ(minute: float) -> None:
    found = list(pairs(3, gaussian, five_ms_slower, minute=minute))

    seen = [{(change.arm and change.arm.strategy, change.metric.name) for change in each.news} for each in found]
    assert sum(("way-0", "p50") in each for each in seen) >= 0.9 * PAIRS
    assert sum(any(arm != "way-0" for arm, _ in each) for each in seen) <= 0.05 * PAIRS


def test_five_milliseconds_more_are_found_in_the_fastest_tenth_where_queues_hide_them_in_the_median() -> None:
    def queued(run: Run, random: Random, extra_ms: float) -> Run:
        histogram = HdrHistogram(1, 60_000_000, 3)
        queue_ms = math.exp(random.gauss(2.0, 1.0))  # another one in each repeat
        for request in range(200):
            waiting_ms = queue_ms * max(0, request - 40) / 160
            histogram.record_value(round((6.0 + extra_ms + 0.1 * random.random() + waiting_ms) * 1000))
        p50_ms = histogram.get_value_at_percentile(50) / 1000
        latency = Latency(p50_ms, 0.0, 3 * p50_ms, 0.0, 0.0)
        return replace(run, latency_ms=latency, latency_histogram=histogram.encode().decode())

    def measured(seed: str, extra_ms: float) -> Result:
        random = Random(seed)
        return results(
            random, 3, gaussian, changed=lambda run: queued(run, random, extra_ms if run.strategy == "way-0" else 0.0)
        )

    assert compare(measured("a", 0.0), measured("b", 0.0)).news == ()
    news = compare(measured("a", 0.0), measured("b", 5.0)).news
    assert [(change.arm and change.arm.strategy, change.metric.name) for change in news] == [("way-0", "p10")]


def half_as_slow_again(run: Run) -> Run:
    latency = run.latency_ms
    return replace(run, latency_ms=latency and replace(latency, p50=latency.p50 * 1.5))


def one(changed: Callable[[Run], Run], repeats: int = 5) -> Comparison:
    random = Random("one pair")
    before = results(random, repeats, gaussian)
    return compare(before, results(random, repeats, gaussian, changed=changed))


def test_what_all_arms_have_in_common_is_said_once_and_of_no_arm() -> None:
    assert [(change.arm, change.metric.name) for change in one(half_as_slow_again).news] == [(None, "p50")]


def test_effects_under_five_per_cent_are_ignored_and_those_above_are_not() -> None:
    def busier(factor: float) -> Callable[[Run], Run]:
        return lambda run: replace(run, achieved_rps=600.0 * factor) if run.strategy == "way-3" else run

    assert one(busier(0.96)).news == ()
    assert [change.metric.name for change in one(busier(0.90)).news] == ["answers"]


def test_errors_that_were_not_there_are_found() -> None:
    failing = one(lambda run: replace(run, errors=30 + run.repeat) if run.strategy == "way-3" else run)
    a_single_one = one(lambda run: replace(run, errors=1) if (run.strategy, run.repeat) == ("way-3", 0) else run)

    assert [(change.arm and change.arm.strategy, change.metric.name) for change in failing.news] == [
        ("way-3", "errors")
    ]
    assert a_single_one.news == ()


def test_who_follows_no_more_is_found() -> None:
    event = (Event(0.7, "joined", ("echo-3",)),)

    def following(run: Run, after_ms: float | None) -> Run:
        return replace(run, events=event, reaction=Reaction(after_ms and after_ms + run.repeat, after_ms, None, None))

    random = Random("one pair")
    before = results(random, 3, gaussian, changed=lambda run: following(run, 11.0))
    after = results(random, 3, gaussian, changed=lambda run: following(run, None if run.strategy == "way-2" else 11.0))

    found = compare(before, after)

    assert {(change.arm and change.arm.strategy, change.metric.name) for change in found.news} == {
        ("way-2", "first request"),
        ("way-2", "fair share"),
    }


def test_without_repeats_nothing_is_said_of_an_arm() -> None:
    single = one(five_ms_slower, repeats=1)

    assert single.changes == ()
    assert len(single.too_few) == 20
    assert set(single.too_few.values()) == {(1, 1)}


def test_arms_that_fail_now_and_arms_that_only_one_has_are_told_apart() -> None:
    before = results(Random("a"), 3, gaussian)
    runs = [
        not_run(replace(ARM, strategy="way-1", repeat=run.repeat), QUICK, "it died") if run.strategy == "way-1" else run
        for run in before.runs
        if run.strategy != "way-2"
    ]

    found = compare(before, replace(before, runs=tuple(runs)))

    assert [key.strategy for key in found.lost] == ["way-1"]
    assert [key.strategy for key in found.alone] == ["way-2"]
    assert found.news == ()


@pytest.mark.parametrize(
    ("environment", "difference"),
    [
        ({"cpus": 4}, "cpus 2 and 4"),
        ({"packages": {"httpx": "0.29.0"}}, "httpx 0.28.1 and 0.29.0"),
        ({"dataplane": "userspace"}, "dataplane nftables and userspace"),
        ({"packages": {"httpx": "0.28.1", "grpcio": "1.70"}}, "grpcio None and 1.70"),
    ],
)
def test_results_of_different_environments_are_refused(environment: dict[str, object], difference: str) -> None:
    before = results(Random("a"), 2, gaussian)
    after = replace(before, environment=replace(ENVIRONMENT, **environment))  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=f"^results of different environments cannot be compared: {difference}$"):
        compare(before, after)


def test_results_of_different_loads_are_refused() -> None:
    before = results(Random("a"), 2, gaussian)
    after = replace(before, runs=tuple(replace(run, offered_rps=300.0) for run in before.runs))

    with pytest.raises(ValueError, match=r"^results of different loads cannot be compared: rate 600 and 300$"):
        compare(before, after)
