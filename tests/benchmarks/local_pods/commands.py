"""The commands of the tests, and what they are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.result import Result
from tests.benchmarks.test_compare import compare
from tests.lab.elsewhere import Elsewhere

ONE_ARM = ["--strategies", "static", "--protocols", "http", "--clients", "asyncio", "--scenarios", "steady"]
OWN_TARGETS = ["--strategies", "kubernetes:///echo:http", "service:///echo:80", *ONE_ARM[2:]]
BRIEF = ["--duration", "1", "--rate", "200", "--repeats", "1"]

ROLLING = ["--clients", "asyncio", "--scenarios", "rolling-restart", *BRIEF]


def measured(there: Elsewhere, folder: Path, *arguments: str, file: Path | None = None) -> Result:
    """What a command gave whose every promise was kept."""
    done = compare("--local-pods", "--kubeconfig", str(file or there.kubeconfig), *arguments, "--output", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return Result.read(folder / "result.json")


def refused(*arguments: str, **variables: str) -> str:
    """The one line of a command that did not begin."""
    done = compare("--local-pods", *arguments, *ONE_ARM, "--output", "/var/tmp/never", **variables)
    assert (done.returncode, done.stdout) == (2, ""), done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line.removeprefix("benchmarks.compare: ")


def plug_in(script: str) -> dict[str, Any]:
    """A user whose credentials come from a command."""
    call = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
    return {"exec": {**call, "command": "sh", "args": ["-c", script]}}


def credential(token: str) -> str:
    said = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    return f"echo '{json.dumps(said)}'"
