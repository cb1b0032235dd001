"""The table of a scenario: a row for each arm, and in each cell a number that explains itself."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.page import numbers
from benchmarks.page.arms import Arm
from benchmarks.page.markup import Markup, join, tag
from benchmarks.page.numbers import Number


def table(arms: Sequence[Arm], caption: str) -> Markup:
    """The numbers of the arms. A cell's explanation is its column's, and what its row is over."""
    columns = numbers.shown(arms)
    heads = [_head("how", "the way in which the client finds the pods, and beneath it what it speaks")]
    heads += [_head("requests per pod", numbers.PER_POD)]
    heads += [_head(number.name, number.explanation) for number in columns]
    body = [_row(arm, columns) for arm in arms]
    return scrolling(
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", heads)),
            tag("tbody", body),
            data_rove="",
        ),
        caption,
    )


def scrolling(inner: Markup, name: str) -> Markup:
    """What may be wider than the page, in a frame of its own that the keyboard can scroll."""
    return tag("div", inner, class_="scroll", role="region", tabindex=0, aria_label=name)


def _head(name: str, explanation: str) -> Markup:
    return tag("th", name, scope="col", data_tip=f"{name}: {explanation}")


def _row(arm: Arm, columns: Sequence[Number]) -> Markup:
    head = tag("th", str(arm.way), tag("small", f" {arm.kind}"), scope="row")
    if not arm.measured:
        why = numbers.absent(arm)
        return tag("tr", head, tag("td", why, colspan=len(columns) + 1, data_tip=why, class_="absent"))
    counts = tag("span", numbers.bars(arm), role="img", aria_label=numbers.per_pod(arm) or "nothing")
    pods = tag("td", counts, class_="bars")
    cells = [tag("td", number.text(arm), _between(number, arm)) for number in columns]
    return tag("tr", head, pods, cells, data_over=arm.over())


def _between(number: Number, arm: Arm) -> Markup:
    between = number.between(arm)
    return tag("small", f" {between}") if between else join()


def glossary() -> Markup:
    """What the columns mean, for paper and for those who read without a pointer."""
    return tag("dl", [join(tag("dt", number.name), tag("dd", number.explanation)) for number in numbers.NUMBERS])
