"""The page as a file: it needs nothing else, escapes what it is given, and stays small."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.page import document, numbers
from tests.benchmarks.page.synthetic import full, result, run, skipped

LIMIT = 2_000_000


def test_it_loads_nothing(page: Path) -> None:
    text = page.read_text()
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)

    assert not re.findall(r'(?:src|href)="(?!#|data:image/png)[^"]*"', without_names)
    assert not re.findall(r"@import|url\((?!#)", without_names)


def test_what_a_result_holds_is_escaped(page: Path) -> None:
    text = page.read_text()

    assert text.count("<script>") == 1
    assert 'alert("&")</script>' not in text
    assert "&lt;script&gt;alert(" in text


def test_the_same_result_gives_the_same_page() -> None:
    some = result(run("kubernetes"), run("service-dns", shares=(0, 1, 0)))

    assert document.render(some) == document.render(some)


def test_each_column_of_the_table_is_in_the_list_of_what_they_mean(page: Path) -> None:
    text = page.read_text()

    for number in numbers.NUMBERS:
        assert f"<dt>{number.name}</dt>" in text


def test_repeats_are_a_row_with_a_median_and_their_spread() -> None:
    page = document.render(result(*(run("static", repeat=repeat) for repeat in range(3))))
    (rows,) = re.findall(r"<tbody>(.*?)</tbody>", page[page.index("every arm") :])

    assert rows.count("<tr") == 1
    assert re.search(r"<td>\d+<small> \d+ to \d+</small></td>", rows)
    assert "requests in 3 repeats" in rows


def test_a_result_in_which_nothing_was_measured_is_a_page_that_says_why() -> None:
    page = document.render(result(skipped("the client died", applicable=True)))

    assert "not measured: the client died" in page
    assert "<svg" not in page


@pytest.mark.soak
def test_a_full_run_is_under_two_megabytes(tmp_path: Path) -> None:
    path = document.write(full(), tmp_path)

    assert 500_000 < path.stat().st_size < LIMIT


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "on 2 CPUs, Linux 6.1.0, data plane: nftables, Python"),
        ({"api_server": "v1.36.1"}, "data plane: nftables, API server v1.36.1, Python"),
        ({"dataplane": "cluster", "api_server": "v1.36.1"}, "in a cluster of Kubernetes v1.36.1, Python"),
    ],
)
def test_it_says_where_it_was_measured(environment: dict[str, str], told: str) -> None:
    some = result(run("kubernetes"))
    some = replace(some, environment=replace(some.environment, **environment))  # type: ignore[arg-type] # of words

    assert told in document.render(some)
