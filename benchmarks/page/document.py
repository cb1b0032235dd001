"""The page: one file that needs nothing else. The verdict comes first, then the picture, the claims, the scenarios."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.lab.surroundings import USERSPACE, USERSPACE_NOTE
from benchmarks.page import claims, heat
from benchmarks.page.arms import arms, scenario_names
from benchmarks.page.chapter import chapter, title
from benchmarks.page.drawing import PAGE, style
from benchmarks.page.hero import hero
from benchmarks.page.markup import Markup, tag
from benchmarks.page.panels import panels, scale
from benchmarks.page.slim import hoist
from benchmarks.page.table import glossary, scrolling
from benchmarks.page.verdicts import verdicts
from benchmarks.result import Environment, Result

TITLE = "Who picks the pod?"
HERE = Path(__file__).parent
GRADES = {"good": ("✓", "good"), "mixed": ("◐", "mixed"), "bad": ("✗", "bad"), "none": ("·", "does not apply")}


def write(result: Result, folder: Path) -> Path:
    """Write `report.html` into the folder, which is there; returns its path."""
    path = folder / "report.html"
    path.write_text(render(result), encoding="utf-8")
    return path


def render(result: Result) -> str:
    """The whole page as text."""
    with style(PAGE):
        whole = tag(
            "main",
            _verdicts(result),
            _hero(result),
            _claims(result),
            [chapter(name, f"s{number}", arms(result, name)) for number, name in enumerate(scenario_names(result))],
            tag("section", tag("h2", "What the numbers mean", id="numbers"), glossary(), aria_labelledby="numbers"),
            id="main",
            tabindex=-1,
        )
    main, rules = hoist(whole)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", TITLE),
        Markup(f"<style>{(HERE / 'style.css').read_text()}{rules}</style>"),
    )
    body = tag(
        "body",
        tag("a", "Skip to the verdict", href="#main", class_="skip"),
        _header(result),
        Markup(main),
        tag("footer", tag("p", f"{result.command} · {result.started}")),
        tag("div", id="tip", role="tooltip", hidden=""),
        Markup(f"<script>{(HERE / 'script.js').read_text()}</script>"),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _header(result: Result) -> Markup:
    where = result.environment
    packages = ", ".join(f"{name} {version}" for name, version in where.packages.items())
    facts = f"{len(result.runs)} runs {_place(where)}, Python {where.python}, {packages}"
    note = [tag("p", USERSPACE_NOTE, class_="note")] if where.dataplane == USERSPACE.dataplane else []
    links = [
        ("#verdict", "Verdict"),
        ("#picture", "Picture"),
        ("#claims", "Claims"),
        *((f"#s{number}", name) for number, name in enumerate(scenario_names(result))),
        ("#numbers", "Numbers"),
    ]
    return tag(
        "header",
        tag("h1", TITLE),
        tag("p", "The same load sent to the pods of a Kubernetes Service in every way that a client can find them."),
        tag("p", facts, class_="facts"),
        note,
        tag("nav", tag("ul", [tag("li", tag("a", text, href=to)) for to, text in links]), aria_label="Contents"),
    )


def _place(where: Environment) -> str:
    if where.dataplane == "cluster":
        return f"in a cluster of Kubernetes {where.api_server}"
    server = "" if where.api_server == "lab" else f", API server {where.api_server}"
    return f"on {where.cpus} CPUs, Linux {where.kernel}, data plane: {where.dataplane}{server}"


def _verdicts(result: Result) -> Markup:
    items = [
        tag("li", _mark(each.grade), tag("strong", str(each.way)), ": ", each.sentence, class_=each.grade)
        for each in verdicts(result)
    ]
    return _section("verdict", "The verdict", tag("ul", items, class_="verdicts"))


def _mark(grade: str) -> Markup:
    sign, word = GRADES[grade]
    return tag("span", sign, class_="mark", role="img", aria_label=word)


def _hero(result: Result) -> Markup:
    scenario, given = hero(result)
    about = f"{title(scenario)}. Each strip is a way to call, each line of it a pod, from left to right goes time."
    return _section(
        "picture", "The picture", tag("p", about), scale(given), panels("hero", given, heat.draw, heat.finding)
    )


def _claims(result: Result) -> Markup:
    return _section("claims", "Three claims that everybody repeats", [_claim(claim) for claim in claims.claims(result)])


def _claim(claim: claims.Claim) -> Markup:
    heads = ("arm", "number", "is", "by chance")
    rows = [
        tag(
            "tr",
            tag("th", each.arm, scope="row"),
            tag("th", each.what, scope="row"),
            tag("td", each.number, data_tip=f"{each.what}: {each.explanation}"),
            tag("td", each.chance, data_tip=f"{each.what}, by chance: {each.explanation}"),
        )
        for each in claim.evidence
    ]
    evidence = tag(
        "table",
        tag("caption", f"What tells of “{claim.text}”", class_="hidden"),
        tag("thead", tag("tr", [tag("th", head, scope="col") for head in heads])),
        tag("tbody", rows),
        data_rove="",
    )
    return tag(
        "article",
        tag("h3", f"“{claim.text}”"),
        tag("p", tag("strong", claim.truth.capitalize(), class_=f"truth {claim.truth.split()[0]}"), ". ", claim.answer),
        [scrolling(evidence, f"Numbers on “{claim.text}”")] if rows else [],
    )


def _section(ident: str, title: str, *inner: str | Iterable[str]) -> Markup:
    return tag("section", tag("h2", title, id=ident), *inner, aria_labelledby=ident)
