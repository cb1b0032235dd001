"""How soon a change of the pods was followed: the first request to a new pod, their fair share, the last to an old."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.page.arms import Arm, Spread
from benchmarks.page.drawing import FAINT, SERIES, Band, Row, sheet
from benchmarks.result import Reaction

LEAST_MS = 1.0
"""What is quicker is drawn here: the axis is logarithmic."""


class Moment(NamedTuple):
    """Something that is waited for after the event, and the mark that it is drawn with."""

    name: str
    number: Callable[[Reaction], float | None]
    mark: str
    colour: str


MOMENTS = (
    Moment("first request to a new pod", lambda reaction: reaction.first_request_ms, "o", SERIES[0]),
    Moment("fair share of the new pods", lambda reaction: reaction.fair_share_ms, "s", SERIES[1]),
    Moment("last request to a pod that left", lambda reaction: reaction.last_request_to_removed_ms, "^", SERIES[2]),
)


def moments(arms: Sequence[Arm]) -> list[Moment]:
    """Those that any of the arms has."""
    return [moment for moment in MOMENTS if any(spread(arm, moment) for arm in arms)]


def spread(arm: Arm, moment: Moment) -> Spread | None:
    return arm.spread(lambda run: moment.number(run.reaction) if run.reaction else None)


def draw(arms: Sequence[Arm], reach: tuple[float, float]) -> tuple[Figure, list[Row], list[Band]] | None:
    """A row of marks for each arm; None where no arm had anything to follow."""
    shown = [arm for arm in arms if any(run.reaction for run in arm.measured)]
    if not shown:
        return None
    given = [_row(arm, arms) for arm in shown]
    figure, axes, placed = sheet(given, "ms after the event")
    axes.set_xscale("log")
    axes.set_xlim(*reach)
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
    for arm, band in zip(shown, placed, strict=True):
        axes.plot(reach, [band.middle, band.middle], color=FAINT, linewidth=0.5, clip_on=False)
        for moment in MOMENTS:
            if found := spread(arm, moment):
                low, middle, high = (max(LEAST_MS, number) for number in (found.low, found.median, found.high))
                if low < high:
                    axes.plot([low, high], [band.middle, band.middle], color=moment.colour, linewidth=2, clip_on=False)
                axes.plot([middle], [band.middle], moment.mark, color=moment.colour, clip_on=False, **_size(moment))
    return figure, given, placed


def reach(arms: Sequence[Arm]) -> tuple[float, float]:
    """The axis of all figures of a scenario."""
    found = [each.high for arm in arms for moment in MOMENTS if (each := spread(arm, moment))]
    return LEAST_MS * 0.8, max([100.0, *found]) * 1.5


def finding(arms: Sequence[Arm]) -> str:
    """What each arm did, in a sentence."""
    said = [f"{row.label} {row.number}" for row in (_row(arm, arms) for arm in arms if arm.measured)]
    names = ", ".join(moment.name for moment in moments(arms)) or "first request to a new pod"
    return f"Milliseconds from the event to the {names}: {'; '.join(said)}."


def _size(moment: Moment) -> dict[str, Any]:
    """The square is large and hollow, so that a dot in the same place can be seen in it."""
    hollow = moment.mark == "s"
    return {"markersize": 11, "fillstyle": "none"} if hollow else {"markersize": 6}


def _row(arm: Arm, beside: Sequence[Arm]) -> Row:
    asked = moments(beside) or [MOMENTS[0]]
    numbers = [_number(arm, moment) for moment in asked]
    said = "; ".join(
        f"{moment.name}: {number if number == 'never' else f'{number} ms'}"
        for moment, number in zip(asked, numbers, strict=True)
    )
    number = "never" if set(numbers) == {"never"} else f"{', '.join(numbers)} ms"
    return Row(str(arm.way), number, f"{arm.way}, {arm.times()}, after the event: {said}", 14)


def _number(arm: Arm, moment: Moment) -> str:
    found = spread(arm, moment)
    return f"{found.median:.0f}" if found else "never"
