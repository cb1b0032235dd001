"""The contract of the result file, as a check: every field, its type, and what must hold between fields."""

from typing import Any

Json = Any
NUMBER = (int, float)
MAYBE_TEXT = (str, type(None))

RESULT = {"schema": int, "environment": dict, "started": str, "command": str, "runs": list}
ENVIRONMENT = {
    "python": str,
    "packages": dict,
    "cpus": int,
    "kernel": str,
    "dataplane": str,
    "api_server": str,
}
RUN = {
    "strategy": str,
    "protocol": str,
    "client": str,
    "connections_mode": str,
    "policy": MAYBE_TEXT,
    "variant": MAYBE_TEXT,
    "scenario": str,
    "repeat": int,
    "status": str,
    "reason": MAYBE_TEXT,
    "applicable": bool,
    "replicas": int,
    "warmup_s": NUMBER,
    "duration_s": NUMBER,
    "offered_rps": NUMBER,
}
MEASURED = {
    "achieved_rps": NUMBER,
    "dropped": int,
    "requests": int,
    "errors": int,
    "errors_by_kind": dict,
    "by_backend": dict,
    "connections_opened": (int, type(None)),
    "dns_queries": (int, type(None)),
    "max_over_mean": NUMBER,
    "cv": NUMBER,
    "jain": NUMBER,
    "idle_backends": int,
    "noise_floor_cv": NUMBER,
    "latency_ms": dict,
    "latency_histogram": str,
    "client_cpu_us_per_request": NUMBER,
    "events": list,
    "reaction": (dict, type(None)),
    "timeline": dict,
}
REACTION = ("first_request_ms", "fair_share_ms", "last_request_to_removed_ms", "errors_to_removed")


def check_result(result: Json) -> None:
    """Fail where the content of a result.json breaks the contract."""
    _check_types(result, RESULT)
    _check_types(result["environment"], ENVIRONMENT)
    assert result["schema"] == 1
    for run in result["runs"]:
        check_run(run)


def check_run(run: Json) -> None:
    """Fail where one entry of `runs` breaks the contract."""
    _check_types(run, RUN)
    assert run["protocol"] in {"http", "grpc"}
    assert run["client"] in {"sync", "asyncio"}
    assert run["connections_mode"] in {"kept", "per-request"}
    assert run["status"] in {"ok", "skipped"}
    if run["status"] == "skipped":
        assert run["reason"]
        assert MEASURED.keys() <= run.keys()
        return
    _check_types(run, MEASURED)
    assert sum(run["by_backend"].values()) == run["requests"] - run["errors"]
    assert sum(run["errors_by_kind"].values()) == run["errors"]
    assert list(run["latency_ms"]) == ["p50", "p90", "p99", "p999", "max"]
    assert sorted(run["latency_ms"].values()) == list(run["latency_ms"].values())
    assert (run["reaction"] is None) == (not run["events"])
    for event in run["events"]:
        _check_types(event, {"at_s": NUMBER, "what": str, "pods": list})
    if run["reaction"]:
        assert tuple(run["reaction"]) == REACTION
    _check_timeline(run)


def _check_timeline(run: Json) -> None:
    timeline = run["timeline"]
    _check_types(timeline, {"interval_s": NUMBER, "by_backend": dict})
    assert {pod: sum(counts) for pod, counts in timeline["by_backend"].items()} == run["by_backend"]


def _check_types(value: Json, fields: dict[str, Any]) -> None:
    for field, kind in fields.items():
        assert field in value, f"{field} is missing"
        assert isinstance(value[field], kind), f"{field} is {value[field]!r}"
