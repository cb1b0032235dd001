"""The command that measures what many endpoints cost, with few."""

import json
from pathlib import Path

import pytest

from benchmarks import endpoints


def test_it_measures_both_kinds_of_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "result.json"
    endpoints.main(["--count", "20", "--idle-s", "0.2", "--json", str(file)])
    results = json.loads(file.read_text())["results"]
    assert set(results) == {"sync", "asyncio"}
    for measured in results.values():
        assert measured["fds_per_endpoint"] == pytest.approx(1.0, abs=0.2)
        assert measured["kib_per_endpoint"] > 0
    assert "fds_per_endpoint" in capsys.readouterr().out


def test_a_limit_that_is_not_kept_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(endpoints.LIMITS, "fds_per_endpoint", 0.5)
    assert endpoints.main(["--count", "20", "--idle-s", "0.2"]) == 1
    assert "at most 0.5  MISSED" in capsys.readouterr().out
