"""A sentence for each way to find the pods: what it did in all scenarios, from the numbers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from benchmarks.page import numbers
from benchmarks.page.arms import WIRES, Arm, Spread, Way, arms, scenario_names, ways
from benchmarks.page.numbers import Number, absent
from benchmarks.report import EVEN
from benchmarks.result import JOINED, Result

Grade = Literal["good", "mixed", "bad", "none"]
_ORDER: tuple[Grade, ...] = ("none", "good", "mixed", "bad")


class Clause(NamedTuple):
    text: str
    grade: Grade


class Verdict(NamedTuple):
    way: Way
    sentence: str
    grade: Grade


def verdicts(result: Result) -> list[Verdict]:
    """One for each way, in the order of the result."""
    every = [arm for scenario in scenario_names(result) for arm in arms(result, scenario)]
    return [_verdict(way, [arm for arm in every if arm.way == way]) for way in ways(every)]


def _verdict(way: Way, given: Sequence[Arm]) -> Verdict:
    measured = [arm for arm in given if arm.measured]
    if not measured:
        return Verdict(way, f"{absent(given[0])}.", "none" if not given[0].runs[-1].applicable else "bad")
    clauses = [*_spread(measured), *_following(measured), *_failing(measured), *_broken(measured)]
    missing = [arm for arm in given if not arm.measured and arm.runs[-1].applicable]
    if missing:
        clauses.append(Clause(f"{len(missing)} of {len(given)} arms were not measured", "bad"))
    sentence = "; ".join(clause.text for clause in clauses)
    return Verdict(
        way, f"{sentence[0].upper()}{sentence[1:]}.", max((clause.grade for clause in clauses), key=_ORDER.index)
    )


def _spread(given: Sequence[Arm]) -> list[Clause]:
    """How even it was while the pods stayed."""
    still = [arm for arm in given if not any(run.events for run in arm.measured)]
    return _by_wire(still, _evenness)


def _evenness(alike: Sequence[Arm]) -> Clause:
    busiest, idle = _range(alike, numbers.BALANCE), _range(alike, numbers.IDLE)
    if busiest is None or idle is None:
        return Clause("nothing was answered", "bad")
    pods = max(len(run.by_backend or {}) for arm in alike for run in arm.measured)
    if idle.low == pods - 1 > 0:
        return Clause(f"1 of {pods} pods got every request", "bad")
    if busiest.high <= EVEN:
        return Clause(f"each of {pods} pods got its share", "good")
    most = busiest.between("{:.2f}") or f"{busiest.median:.2f}"
    return Clause(f"the busiest of {pods} pods got {most} times its share", "bad" if idle.high else "mixed")


def _following(given: Sequence[Arm]) -> list[Clause]:
    """What new pods got."""
    return _by_wire(
        [arm for arm in given if any(run.reaction and run.events[0].what == JOINED for run in arm.measured)],
        _newcomers,
    )


def _newcomers(alike: Sequence[Arm]) -> Clause:
    first, fair = _range(alike, numbers.FIRST), _range(alike, numbers.FAIR)
    if first is None:
        return Clause("new pods got nothing", "bad")
    if fair is None:
        return Clause(f"new pods got a first request after {_ms(first)}, their share never", "mixed")
    return Clause(f"new pods had their share after {_ms(fair)}", "good")


def _by_wire(given: Sequence[Arm], judge: Callable[[Sequence[Arm]], Clause]) -> list[Clause]:
    """A clause for each protocol, or one for several of which the same is true."""
    found: dict[Clause, list[str]] = {}
    for wire, name in WIRES.items():
        if alike := [arm for arm in given if arm.key.wire == wire]:
            found.setdefault(judge(alike), []).append(name)
    return [Clause(f"over {' and '.join(names)} {clause.text}", clause.grade) for clause, names in found.items()]


def _failing(given: Sequence[Arm]) -> Iterator[Clause]:
    errors, requests = sum(arm.errors for arm in given), sum(arm.requests for arm in given)
    if not errors:
        yield Clause("no request failed", "good")
        return
    where = ", ".join(dict.fromkeys(arm.key.scenario for arm in given if arm.errors))
    yield Clause(f"{errors} of {requests} requests failed, in {where}", "mixed")


def _broken(given: Sequence[Arm]) -> Iterator[Clause]:
    broken = [arm.key.scenario for arm in given for run in arm.measured for each in run.expectations if not each.held]
    if broken:
        yield Clause(
            f"{len(broken)} broken expectation{'s' * (len(broken) > 1)}, in {', '.join(dict.fromkeys(broken))}", "bad"
        )


def _range(given: Sequence[Arm], number: Number) -> Spread | None:
    """The medians of the arms, from which to which."""
    return Spread.of(found.median for arm in given if (found := arm.spread(number.of)))


def _ms(spread: Spread) -> str:
    low, high = f"{spread.low:.0f}", f"{spread.high:.0f}"
    return f"{low} ms" if low == high else f"{low} to {high} ms"
