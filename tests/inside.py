"""A pytest plugin that moves the whole run into the lab's namespaces, where tests can have a cluster.

Loaded by `-p tests.inside`, so early that output is not captured yet. Where namespaces cannot be had, or with
DISCOVERY_TESTS_OUTSIDE=1 (for a debugger, say), the run stays outside and tests that need the lab are skipped.
"""

from __future__ import annotations

import os
import sys

from benchmarks.lab import launcher
from benchmarks.lab.inside import INSIDE


def why_outside() -> str | None:
    """Why this run has no lab, in one line; None if it has one."""
    if os.environ.get(INSIDE) == "1":
        return None
    if os.environ.get("DISCOVERY_TESTS_OUTSIDE") == "1":
        return "DISCOVERY_TESTS_OUTSIDE=1 keeps the tests out of the lab"
    return launcher.available()


def _enter() -> None:
    # A worker of pytest-xdist talks to its parent over pipes and is where the parent is.
    if os.environ.get(INSIDE) == "1" or "PYTEST_XDIST_WORKER" in os.environ or why_outside():
        return
    sys.exit(launcher.enter([sys.executable, *sys.orig_argv[1:]]))


_enter()
