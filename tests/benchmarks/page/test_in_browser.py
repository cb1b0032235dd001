"""The page in a real browser: what is shown, read, and reached with the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.page.browser import Browser, Theme, browser, needs_chromium

pytestmark = needs_chromium
CHECKS = (Path(__file__).parent / "checks.js").read_text()
NARROW, WIDE = 360, 1440


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_cut_covered_empty_faint_or_unexplained(
    chromium: Browser, page: Path, width: int, theme: Theme
) -> None:
    chromium.open(page, width=width, theme=theme)

    assert chromium.evaluate(CHECKS) == []
    assert chromium.complaints() == []


def test_on_paper_it_is_dark_on_white_whatever_the_screen_is(chromium: Browser, page: Path) -> None:
    chromium.open(page, width=800, theme="dark", media="print")

    style = "getComputedStyle(document.body)"
    assert chromium.evaluate(f"[{style}.backgroundColor, {style}.color]") == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]


def test_the_keyboard_skips_to_the_verdict_and_arrows_move_in_a_table(chromium: Browser, page: Path) -> None:
    chromium.open(page, width=WIDE)
    active, tip = "document.activeElement", "document.getElementById('tip')"

    chromium.press("Tab")
    assert chromium.evaluate(f"{active}.textContent") == "Skip to the verdict"
    assert chromium.evaluate(f"{active}.getBoundingClientRect().left") >= 0
    assert chromium.evaluate(f"getComputedStyle({active}).outlineStyle") == "solid"

    chromium.evaluate("document.querySelector('[id=s0] ~ .scroll').focus()")
    chromium.press("Tab")
    assert chromium.evaluate(f"{active}.tagName + {active}.textContent") == "THhow"
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        chromium.press(key)
    assert chromium.evaluate(f"{active}.tagName") == "TD"
    chromium.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert not chromium.evaluate(f"{tip}.hidden")
    assert chromium.evaluate(f"{tip}.textContent").startswith("busiest / fair: requests of the busiest pod")
    assert "kubernetes, HTTP sync" in chromium.evaluate(f"{tip}.textContent")
    chromium.press("Escape")
    assert chromium.evaluate(f"{tip}.hidden")


def test_the_checks_find_what_is_wrong(chromium: Browser, page: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.html"
    mischief = """
        document.querySelector('svg.plot text').setAttribute('transform', 'translate(-30 40)');
        document.querySelector('svg.plot').querySelectorAll('path, use, image').forEach((mark) => mark.remove());
        document.querySelector('td').removeAttribute('data-tip');
        document.querySelector('td').closest('table').tHead.remove();
        document.querySelector('p').style.color = '#888';
        document.querySelector('h2').style.width = '2000px';
        console.error('oh');
    """
    spoilt.write_text(page.read_text().replace("<script>", f"<script>addEventListener('load', () => {{{mischief}}});"))
    chromium.open(spoilt, width=NARROW)

    faults = "\n".join(chromium.evaluate(CHECKS))
    for fault in ("wide", "cut:", "empty:", "contrast 3.5", "unexplained:"):
        assert fault in faults
    assert len(chromium.complaints()) >= 1
