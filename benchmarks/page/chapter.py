"""What the page says of one scenario: what it teaches, what held, why requests failed, the figures and the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks import scenarios
from benchmarks.page import cost, failures, heat, latency, reactions, share
from benchmarks.page.arms import Arm
from benchmarks.page.markup import Markup, join, tag
from benchmarks.page.panels import Draw, Finding, cost_key, moments_key, panels, scale
from benchmarks.page.table import table
from benchmarks.result import Expectation
from benchmarks.statistics import interval


def chapter(name: str, ident: str, given: Sequence[Arm]) -> Markup:
    """A section of the page, whose ids begin with `ident`."""
    first = given[0].runs[0]
    load = f"{first.replicas} pods, {first.offered_rps:g} requests/s offered for {first.duration_s:g} s"
    scenario = known(name)
    teaches = scenario.teaches if scenario else ""
    return tag(
        "section",
        tag("h2", title(name), id=ident),
        [tag("p", teaches, class_="teaches")] if teaches else [],
        tag("p", load),
        _expectations(given),
        _why(given),
        _figures(ident, given) if any(arm.measured for arm in given) else [],
        table(given, f"{title(name)}: every arm{_repeated(given)}"),
        aria_labelledby=ident,
    )


def known(name: str) -> scenarios.Scenario | None:
    """The scenario, unless the file is of another version that had others."""
    return scenarios.find(name) if name in scenarios.names() else None


def title(name: str) -> str:
    scenario = known(name)
    return scenario.title if scenario else name


def _figures(ident: str, given: Sequence[Arm]) -> Iterator[Markup]:
    def part(name: str, heading: str, key: Markup, draw: Draw, finding: Finding) -> Markup:
        label = f"{ident}-{name}"
        return tag(
            "section", tag("h3", heading, id=label), key, panels(label, given, draw, finding), aria_labelledby=label
        )

    most, reach = share.furthest(given), latency.reach(given)
    soon, dear = reactions.reach(given), cost.furthest(given)
    yield part("heat", "Requests over time", scale(given), heat.draw, heat.finding)
    yield part("share", "Requests per pod", join(), lambda alike: share.draw(alike, most), share.finding)
    yield part("latency", "Latency", join(), lambda alike: latency.draw(alike, reach), latency.finding)
    if any(run.reaction for arm in given for run in arm.measured):
        key = moments_key(given)
        yield part("reaction", "After the event", key, lambda alike: reactions.draw(alike, soon), reactions.finding)
    if any(failures.draws(arm) for arm in given):
        yield part("errors", "Errors over time", join(), failures.draw, failures.finding)
    yield part("cost", "Cost per request", cost_key(given), lambda alike: cost.draw(alike, dear), cost.finding)


def _expectations(given: Sequence[Arm]) -> Markup:
    every = [(arm, run, each) for arm in given for run in arm.measured for each in run.expectations]
    broken = [_expectation(arm, each) for arm, _, each in every if not each.held]
    held = [_expectation(arm, each) for arm, run, each in every if each.held and run is arm.measured[0]]
    if not every:
        return join()
    summary = f"Those that held{' in the first repeat' if _repeated(given) else ''}"
    return join(
        tag("p", tag("strong", f"{len(every) - len(broken)} of {len(every)} expectations held.")),
        [tag("ul", broken, class_="broken")] if broken else [],
        [tag("details", tag("summary", summary), tag("ul", held))] if held else [],
    )


def _repeated(given: Sequence[Arm]) -> str:
    repeats = max((len(arm.measured) for arm in given), default=0)
    if repeats < 2:
        return ""
    confidence = interval(range(repeats)).confidence
    return f", the median of its repeats, and beneath it what holds the true one with {confidence:.0%} confidence"


def _expectation(arm: Arm, expectation: Expectation) -> Markup:
    word = tag("strong", "held" if expectation.held else "broken")
    return tag("li", word, f": {arm.way}, {arm.kind}: {expectation.text}")


def _why(given: Sequence[Arm]) -> Markup:
    items = [
        tag("li", tag("strong", f"{arm.way}, {arm.kind}"), f": {failures.why(arm)}") for arm in given if arm.errors
    ]
    return join(tag("h3", "Why requests failed"), tag("ul", items)) if items else join()
