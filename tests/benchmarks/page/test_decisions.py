"""The table of decisions: a row for each way that was measured, in words and medians."""

from dataclasses import replace

from benchmarks.load import Load
from benchmarks.page import decisions
from benchmarks.result import JOINED, SCHEMA, Event, Result, Run, environment
from benchmarks.summary import not_run, summarize
from tests.benchmarks.test_plan import QUICK
from tests.benchmarks.test_summary import ARM, STEADY, requests


def table(*runs: Run) -> dict[str, dict[str, str]]:
    result = Result(SCHEMA, environment("nftables"), "2026-01-01T00:00:00+00:00", "python", runs)
    return {row[0]: dict(zip(decisions.HEAD, row, strict=True)) for row in decisions.rows(result)}


def test_a_way_has_what_was_measured_and_what_is_known_of_it() -> None:
    joined = (Event(0.2, JOINED, ("echo-2",)),)
    steady = summarize(ARM, QUICK, STEADY)
    scaled = replace(STEADY, load=Load(requests("01" * 20 + "012" * 20), 0), events=joined)
    row = table(steady, summarize(replace(ARM, scenario="scale-up"), QUICK, scaled))["kubernetes"]
    assert row["balances"] == "each request"
    assert row["p50 ms HTTP / gRPC"].endswith(" / -")
    assert float(row["new pod after ms"]) >= 0
    assert row["moving parts"] == "a Role: list and watch on endpointslices"


def test_what_is_pinned_or_blind_or_missing_says_so() -> None:
    pinned = summarize(replace(ARM, strategy="service-dns"), QUICK, replace(STEADY, load=Load(requests("0" * 30), 0)))
    joined = replace(STEADY, events=(Event(0.2, JOINED, ("echo-9",)),))
    blind = summarize(replace(ARM, strategy="service-dns", scenario="scale-up"), QUICK, joined)
    absent = not_run(replace(ARM, strategy="l7-proxy"), QUICK, "install the extra mesh", applicable=False)
    found = table(pinned, blind, absent, summarize(ARM, QUICK, STEADY))
    assert list(found) == ["kubernetes", "service-dns", "l7-proxy"]
    assert found["service-dns"]["balances"] == "unevenly: up to 3 times the share"
    assert found["service-dns"]["new pod after ms"] == "never"
    assert found["l7-proxy"]["balances"] == "install the extra mesh"


def test_a_way_that_nobody_knows_comes_last_with_its_numbers() -> None:
    found = table(summarize(replace(ARM, strategy="pigeons"), QUICK, STEADY), summarize(ARM, QUICK, STEADY))
    assert list(found) == ["kubernetes", "pigeons"]
    assert found["pigeons"]["take it when"] == ""
    assert found["pigeons"]["balances"] == "each request"
