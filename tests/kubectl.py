"""kubectl, where there is one that is new enough."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess

import pytest

_OLDEST = (1, 27)


@functools.cache
def why_no_kubectl() -> str | None:
    """Why tests cannot use it, in one line; None if they can."""
    program = shutil.which("kubectl")
    if program is None:
        return "kubectl is not on PATH"
    answer = subprocess.run([program, "version", "--client", "-o", "json"], capture_output=True, check=True, timeout=60)
    version = json.loads(answer.stdout)["clientVersion"]
    found = int(version["major"]), int(version["minor"].rstrip("+"))
    return None if found >= _OLDEST else f"kubectl is {found[0]}.{found[1]}, and 1.27 is the oldest that is tested"


def kubectl() -> str:
    """The program; skips the test where there is none."""
    if reason := why_no_kubectl():
        pytest.skip(reason)
    return str(shutil.which("kubectl"))
