"""Three things that everybody repeats, each put to the test with a number, and the noise floor beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from benchmarks.page.arms import Arm, arms, scenario_names
from benchmarks.page.numbers import UNKNOWN
from benchmarks.report import EVEN
from benchmarks.result import Result, Run

Truth = Literal["true", "false", "not measured"]
SIGMAS = 3
"""Farther than so many standard deviations from what chance brings is no chance."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A number of an arm, what chance alone would make of it, and what it counts."""

    arm: str
    what: str
    number: str
    chance: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Claim:
    """`answer` is a sentence with the number that decides."""

    text: str
    truth: Truth
    answer: str
    evidence: tuple[Evidence, ...]


def claims(result: Result) -> tuple[Claim, ...]:
    """All three, tested in the first scenario in which nothing happens."""
    quiet = [
        name
        for name in scenario_names(result)
        if any(arm.measured and not any(run.events for run in arm.measured) for arm in arms(result, name))
    ]
    given = [arm for arm in arms(result, quiet[0]) if arm.measured] if quiet else []
    return balanced_per_request(given), rotates(given), needs_a_mesh(given)


def balanced_per_request(given: Sequence[Arm]) -> Claim:
    """Kept connections against one per request, beside what random picking of each request would bring."""
    text = "Over a Service, HTTP/1.1 is balanced per request"
    kept, reconnecting = _service(given, "kept"), _service(given, "per-request")
    evidence = tuple(_variation(arm) for arm in [*kept, *reconnecting] if _cv(arm) is not None)
    known = [(cv, chance) for arm in kept if (cv := _cv(arm)) is not None and (chance := _chance(arm))]
    if not known:
        return _unknown(text, evidence)
    cv, chance = max(known)
    if not any(map(_uneven, kept)):
        answer = f"Requests on kept connections vary by {cv:.3f} between pods, no more than chance ({chance:.3f})."
        return Claim(text, "true", answer, evidence)
    answer = (
        f"Only connections are: on kept ones requests vary by {cv:.2f} between pods (CV), "
        f"{cv / chance:.0f} times the {chance:.3f} of picking a pod for each request at random"
    )
    if others := [each for arm in reconnecting if (each := _cv(arm)) is not None]:
        answer += f"; with a new connection for each request it is {max(others):.3f}"
    return Claim(text, "false", f"{answer}.", evidence)


def rotates(given: Sequence[Arm]) -> Claim:
    """How often a connection went to the pod of the one before: 0 if in turn, 1 / pods if by dice."""
    text = "A Service rotates through its pods"
    tested = [arm for arm in _service(given, "per-request") if _again(arm) is not None]
    evidence = tuple(
        Evidence(
            f"{arm.way}, {arm.kind}",
            "same pod again",
            f"{_again(arm):.3f}",
            f"{1 / _pods(arm):.3f} ± {_noise(arm):.3f}",
            "the share of answers that came from the pod that gave the one before, each on a connection of its own: 0 "
            f"where a Service rotates, by chance one in as many as there are pods, give or take; {arm.over()}",
        )
        for arm in tested
    )
    known = [(share, arm) for arm in tested if (share := _again(arm)) is not None and _pods(arm) > 1]
    if not known:
        return _unknown(text, evidence)
    share, arm = max(known, key=lambda each: each[0])
    fair, noise = 1 / _pods(arm), _noise(arm)
    if share < fair / 2:
        return Claim(text, "true", f"The same pod came twice in a row in {share:.3f} of the connections.", evidence)
    near = abs(share - fair) <= SIGMAS * noise
    answer = (
        f"The same pod came twice in a row in {share:.3f} of the connections; in turn it would be 0, and by chance "
        f"{fair:.3f} ± {noise:.3f}: {'it throws dice' if near else 'it neither rotates nor throws even dice'}."
    )
    return Claim(text, "false", answer, evidence)


def needs_a_mesh(given: Sequence[Arm]) -> Claim:
    """gRPC over the Service against a client that picks: balance, errors and the client's CPU."""
    text = "gRPC needs a service mesh"
    grpc = [arm for arm in given if arm.key.wire == "grpc"]
    service = [arm for arm in grpc if arm.key.strategy == "service-dns"]
    ours = [arm for arm in grpc if arm.key.strategy in {"kubernetes", "static"} and arm.key.variant is None]
    proxies = [arm for arm in grpc if arm.key.strategy == "l7-proxy"]
    evidence = tuple(each for arm in [*service, *ours, *proxies] for each in _cost(arm))
    known, theirs = _busiest(ours), _busiest(service)
    if known is None or theirs is None:
        return _unknown(text, evidence)
    cpu = [f"{found.median:.0f} us" for arm in (ours[0], service[0]) if (found := arm.spread(_cpu))]
    errors, requests = sum(arm.errors for arm in ours), sum(arm.requests for arm in ours)
    numbers = (
        f"the busiest pod got {known:.2f} times its share where the client picks, {theirs:.2f} over the Service; "
        f"{errors} of {requests} requests failed where it picks"
        + (f"; the client's CPU is {cpu[0]} a request against {cpu[1]}" if len(cpu) == 2 else "")
    )
    even = not errors and (known <= EVEN or not any(map(_uneven, ours)))
    start = "A client that knows the pods is enough" if even else "The client alone was not enough here"
    return Claim(text, "false" if even else "true", f"{start}: {numbers}.", evidence)


def _unknown(text: str, evidence: tuple[Evidence, ...]) -> Claim:
    return Claim(text, "not measured", "This result has no numbers that would tell.", evidence)


def _service(given: Sequence[Arm], mode: str) -> list[Arm]:
    return [
        arm
        for arm in given
        if (arm.key.strategy, arm.key.wire, arm.key.mode, arm.key.variant) == ("service-dns", "http", mode, None)
    ]


def _variation(arm: Arm) -> Evidence:
    return Evidence(
        f"{arm.way}, {arm.kind}",
        "CV of requests per pod",
        _text(arm, lambda run: run.cv, "{:.3f}"),
        f"{_chance(arm):.3f}" if _chance(arm) else UNKNOWN,
        "how much the requests of the pods vary, standard deviation over mean; by chance: what picking a pod at random "
        f"for each request would bring; {arm.over()}",
    )


def _cost(arm: Arm) -> list[Evidence]:
    name = f"{arm.way}, {arm.kind}"
    return [
        Evidence(
            name,
            "busiest / fair",
            _text(arm, lambda run: run.max_over_mean, "{:.2f}"),
            f"{_busiest_by_chance(arm):.2f}",
            "requests of the busiest pod over its fair share; by chance: what picking a pod at random for each request "
            f"would bring; {arm.over()}",
        ),
        Evidence(
            name,
            "errors",
            _text(arm, lambda run: run.errors, "{:.0f}"),
            UNKNOWN,
            f"requests that failed; chance has no part in it; {arm.over()}",
        ),
        Evidence(
            name,
            "client CPU, us / request",
            _text(arm, _cpu, "{:.0f}"),
            _between(arm),
            "processor time of the client's process per request; by chance: from which repeat to which, where there "
            f"are several; {arm.over()}",
        ),
    ]


def _between(arm: Arm) -> str:
    found = arm.spread(_cpu)
    return f"± {(found.high - found.low) / 2:.0f}" if found and found.repeats > 1 else UNKNOWN


def _text(arm: Arm, number: Callable[[Run], float | None], form: str) -> str:
    found = arm.spread(number)
    return form.format(found.median) if found else UNKNOWN


def _cpu(run: Run) -> float | None:
    return run.client_cpu_us_per_request


def _cv(arm: Arm) -> float | None:
    found = arm.spread(lambda run: run.cv)
    return found.median if found else None


def _chance(arm: Arm) -> float:
    """The CV that picking at random for each request of a run would bring."""
    answered = arm.spread(lambda run: sum((run.by_backend or {}).values()))
    return math.sqrt((_pods(arm) - 1) / answered.median) if answered and answered.median else 0.0


def _uneven(arm: Arm) -> bool:
    """Whether requests vary more than where each is a random pick; the CV of those itself varies, by one in sqrt(2)."""
    cv = _cv(arm)
    return cv is not None and cv > (1 + SIGMAS / math.sqrt(2)) * _chance(arm)


def _busiest_by_chance(arm: Arm) -> float:
    """The greatest of so many normal numbers, expected (Blom, 1958), around a fair share of 1."""
    pods = _pods(arm)
    return 1 + _chance(arm) * NormalDist().inv_cdf((pods - 0.375) / (pods + 0.25)) if pods > 1 else 1.0


def _again(arm: Arm) -> float | None:
    found = arm.spread(lambda run: run.same_pod_again)
    return found.median if found else None


def _pods(arm: Arm) -> int:
    return max((len(run.by_backend or {}) for run in arm.measured), default=1) or 1


def _noise(arm: Arm) -> float:
    """One standard deviation of the share, over the answers of a run."""
    fair = 1 / _pods(arm)
    answered = arm.spread(lambda run: sum((run.by_backend or {}).values()))
    return math.sqrt(fair * (1 - fair) / answered.median) if answered and answered.median else 0.0


def _busiest(given: Sequence[Arm]) -> float | None:
    return max((found.median for arm in given if (found := arm.spread(lambda run: run.max_over_mean))), default=None)
