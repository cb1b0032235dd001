"""Figures side by side, one for each kind of client, and what is needed to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from matplotlib.figure import Figure

from benchmarks.page import cost, heat, reactions
from benchmarks.page.arms import Arm, kinds
from benchmarks.page.drawing import Band, Row, inline
from benchmarks.page.markup import Markup, join, tag

Draw = Callable[[Sequence[Arm]], tuple[Figure, list[Row], list[Band]] | None]
Finding = Callable[[Sequence[Arm]], str]

_SIGNS = {"o": "●", "s": "□", "^": "▲"}


def panels(ident: str, given: Sequence[Arm], draw: Draw, finding: Finding) -> Markup:
    """A figure for each kind of client that has something to show; `finding` says in a sentence what that is."""
    return tag("div", _figures(ident, given, draw, finding), class_="panels")


def _figures(ident: str, given: Sequence[Arm], draw: Draw, finding: Finding) -> Iterator[Markup]:
    for number, kind in enumerate(kinds(given)):
        alike = [arm for arm in given if arm.kind == kind]
        if drawn := draw(alike):
            name = f"{ident}-{number}"
            said = tag("span", finding(alike), class_="finding")
            yield tag(
                "figure",
                tag("figcaption", tag("strong", str(kind)), said, id=f"{name}-says"),
                inline(*drawn, name, f"{name}-says"),
            )


def scale(given: Sequence[Arm]) -> Markup:
    """What the colours of the strips mean."""
    run = next((run for arm in given for run in arm.measured), None)
    if run is None:
        return join()
    fair = heat.fair_rps(run)
    return tag(
        "p",
        tag("span", "answers a second: 0"),
        tag("span", class_="ramp", role="img", aria_label="from dark to bright"),
        f"{2 * fair:.0f} or more; in the middle {fair:.0f}, the fair share of {run.replicas} pods; blank: none",
        class_="scale",
    )


def moments_key(given: Sequence[Arm]) -> Markup:
    """What the marks of the reaction mean."""
    said = [
        (tag("span", _SIGNS[each.mark], class_=each.colour.lower()), f" {each.name} ")
        for each in reactions.moments(given)
    ]
    return tag("p", [join(*each) for each in said], class_="key") if said else join()


def cost_key(given: Sequence[Arm]) -> Markup:
    """What the parts of the bars are."""
    mine = (tag("span", "■", class_="c0"), " the client ")
    theirs = (tag("span", "□", class_="c4"), " the pods") if any(map(cost.server, given)) else ()
    return tag("p", *mine, *theirs, class_="key")
