"""Figures lose what a page has no use for, and nothing of what they say."""

import re

from benchmarks.page.markup import tag
from benchmarks.page.slim import hoist, slim

FIGURE = """<?xml version="1.0"?>
<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10">
 <metadata><x/></metadata>
 <defs><style type="text/css">*{stroke-linejoin: round}</style></defs>
 <g id="figure_1"><g id="axes_1"><defs><path id="mark" d="M 0 0
L 1.2345 2
" style="stroke: #000000"/></defs>
  <g clip-path="url(#clip)"><use xlink:href="#mark" x="3.14159"/></g>
  <text style="font-size: 11px; font-family: 'DejaVu Sans'; fill: red" transform="rotate(-0 1 2)">1.39</text>
 </g></g>
 <defs><clipPath id="clip"><rect x="0" y="0" width="1" height="1"/></clipPath></defs>
</svg>"""


def test_numbers_that_are_read_keep_their_digits_and_those_of_places_do_not() -> None:
    text = slim(FIGURE, "s0-share-0")

    assert ">1.39</text>" in text
    assert 'x="3.1"' in text
    assert 'd="M0 0L1.2 2"' in text


def test_ids_are_kept_where_something_refers_to_them_and_are_the_figures_own() -> None:
    text = slim(FIGURE, "s0-share-0")

    ids = re.findall(r' id="([^"]*)"', text)
    assert sorted(ids) == sorted(set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text)))
    assert all(ident.startswith("s0-share-0-") for ident in ids)


def test_groups_that_say_nothing_go_and_others_stay_balanced() -> None:
    text = slim(FIGURE, "x")

    assert "<g>" not in text
    assert text.count("<g ") == text.count("</g>") == 1
    assert "metadata" not in text
    assert "<style" not in text


def test_a_style_that_comes_again_has_one_rule() -> None:
    text, rules = hoist('<i style="fill: red"/><b style="fill: red"/><u style="fill: blue"/>')

    assert text == '<i class="s0"/><b class="s0"/><u class="s1"/>'
    assert rules == ".plot .s0{fill: red}.plot .s1{fill: blue}"


def test_what_looks_like_a_style_in_a_text_is_left_there() -> None:
    text = tag("p", 'a style="}body{display: none"', title='b style="c"')

    assert hoist(text) == (text, "")
