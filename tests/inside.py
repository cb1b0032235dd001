"""A pytest plugin that moves the whole run into a lab, where tests can have a cluster.

Loaded by `-p tests.inside`, so early that output is not captured yet. Where namespaces cannot be had, or with
DISCOVERY_LAB_DATAPLANE=userspace, the lab is one without them, and tests of what only the kernel does are skipped.
With DISCOVERY_TESTS_OUTSIDE=1 (for a debugger, say) the run stays outside, without a lab.
"""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks.lab import launcher
from benchmarks.lab.surroundings import INSIDE, USERSPACE


def why_outside() -> str | None:
    """Why this run has no lab, in one line; None if it has one."""
    if os.environ.get(INSIDE):
        return None
    if os.environ.get("DISCOVERY_TESTS_OUTSIDE") == "1":
        return "DISCOVERY_TESTS_OUTSIDE=1 keeps the tests out of the lab"
    # A worker talks to its parent over pipes.
    return "a worker of pytest-xdist cannot enter a lab by itself" if "PYTEST_XDIST_WORKER" in os.environ else None


def real_cluster() -> bool:
    """Whether the tests that any cluster can run are to run on that of KUBECONFIG, and not on the lab."""
    wanted = os.environ.get("DISCOVERY_CLUSTER", "lab")
    if wanted not in {"lab", "kubeconfig"}:
        raise pytest.UsageError(f"DISCOVERY_CLUSTER={wanted} is neither lab nor kubeconfig")
    return wanted == "kubeconfig"


def why_no_cluster() -> str | None:
    """Why those tests have no cluster, in one line; None if they have one."""
    if not real_cluster():
        return None
    command = "KUBECONFIG=... make test-cluster"
    if os.environ.get("DISCOVERY_TESTS_OUTSIDE") != "1":
        return f"a real cluster is out of reach from inside the lab: {command}"
    return None if os.environ.get("KUBECONFIG") else f"KUBECONFIG names no cluster: {command}"


def _enter() -> None:
    if INSIDE not in os.environ and not why_outside():
        sys.exit(launcher.enter([sys.executable, *sys.orig_argv[1:]]))


_enter()

NO_KERNEL = why_outside() or (
    "the userspace data plane has no DNS, no address for each pod and no rules of the kernel"
    if os.environ[INSIDE] == USERSPACE.dataplane
    else None
)
"""Why this run cannot test what only namespaces and the kernel give, in one line; None if it can."""

needs_kernel = pytest.mark.skipif(NO_KERNEL is not None, reason=str(NO_KERNEL))
