"""What a request costs: processor time of the client and of the pods."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.page.arms import Arm, Spread
from benchmarks.page.drawing import SERIES, Band, Row, sheet

CLIENT, SERVER = SERIES[0], SERIES[4]


def draw(arms: Sequence[Arm], furthest: float) -> tuple[Figure, list[Row], list[Band]] | None:
    """A bar for each arm, the client's part and then the pods'; None where nobody measured either."""
    shown = [arm for arm in arms if client(arm) or server(arm)]
    if not shown:
        return None
    given = [_row(arm) for arm in shown]
    figure, axes, placed = sheet(given, "CPU us per request")
    axes.set_xlim(0, furthest * 1.05)
    for arm, band in zip(shown, placed, strict=True):
        mine, theirs = _median(client(arm)), _median(server(arm))
        axes.barh(band.middle, mine, band.bottom - band.top, color=CLIENT, clip_on=False)
        if not theirs:
            continue
        height = band.bottom - band.top - 1
        axes.barh(band.middle, theirs, height, left=mine, facecolor="none", edgecolor=SERVER, clip_on=False)
    return figure, given, placed


def client(arm: Arm) -> Spread | None:
    return arm.spread(lambda run: run.client_cpu_us_per_request)


def server(arm: Arm) -> Spread | None:
    return arm.spread(lambda run: run.server_cpu_us_per_request)


def furthest(arms: Sequence[Arm]) -> float:
    """The axis of all figures of a scenario."""
    return max([1.0, *(_median(client(arm)) + _median(server(arm)) for arm in arms)])


def finding(arms: Sequence[Arm]) -> str:
    """The cheapest and the dearest, in a sentence."""
    costs = {str(arm.way): found.median for arm in arms if (found := client(arm))}
    if not costs:
        return "Cost per request: not measured."
    least, most = min(costs, key=lambda way: costs[way]), max(costs, key=lambda way: costs[way])
    text = f"Cost per request: {costs[least]:.0f} us of the client's CPU with {least}"
    return f"{text}, {costs[most]:.0f} with {most}." if least != most else f"{text}."


def _median(spread: Spread | None) -> float:
    return spread.median if spread else 0.0


def _row(arm: Arm) -> Row:
    mine, theirs = client(arm), server(arm)
    numbers = [spread.text("{:.0f}") if spread else "not measured" for spread in (mine, theirs)]
    number = " + ".join(f"{spread.median:.0f}" for spread in (mine, theirs) if spread)
    tip = f"{arm.way}, {arm.times()}: CPU per request in us, the client's {numbers[0]}, the pods' {numbers[1]}"
    return Row(str(arm.way), number, tip, 12)
