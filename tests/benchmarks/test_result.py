"""result.json against the contract."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.load import Load
from benchmarks.result import JOINED, SCHEMA, Event, Expectation, Result, environment
from benchmarks.summary import not_run, summarize
from tests.benchmarks.contract import check_result
from tests.benchmarks.test_plan import QUICK
from tests.benchmarks.test_summary import ARM, STEADY, requests


def test_the_file_holds_what_the_contract_says(tmp_path: Path) -> None:
    joined = (Event(0.2, JOINED, ("echo-2",)),)
    runs = (
        summarize(ARM, QUICK, STEADY),
        summarize(ARM, QUICK, replace(STEADY, load=Load(requests("01" * 20 + "012" * 20), 0), events=joined)),
        not_run(ARM, QUICK, "the client process died, exit status -9"),
    )

    path = Result(SCHEMA, environment("nftables"), "2026-01-01T00:00:00+00:00", "python", runs).write(
        tmp_path / "new" / "folder"
    )

    assert path == tmp_path / "new" / "folder" / "result.json"
    content = json.loads(path.read_text())
    check_result(content)
    assert [run["status"] for run in content["runs"]] == ["ok", "ok", "skipped"]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    run = replace(summarize(ARM, QUICK, STEADY), expectations=(Expectation("no request fails", held=True),))
    result = Result(SCHEMA, environment("nftables"), "2026-01-01T00:00:00+00:00", "python", (run,))
    assert Result.read(result.write(tmp_path)) == result


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    for text in ("", "{}", '{"schema": 1, "runs": 3}', "\udcff"):
        path = tmp_path / "other.json"
        path.write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: no result of benchmarks.compare"):
            Result.read(path)


def test_the_environment_names_what_results_depend_on() -> None:
    found = environment("nftables")

    assert set(found.packages) == {"discovery-lb", "httpx", "grpcio", "kubernetes"}
    assert (found.dataplane, found.api_server) == ("nftables", "lab")
    assert found.cpus >= 1
