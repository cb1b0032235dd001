"""What a service account needs for the watch, and what it is told that lacks it."""

from __future__ import annotations

import pytest

from discovery import Balancer
from discovery.resolvers.kubernetes import KubernetesResolver
from discovery.runtime import Backoff
from tests.target import Target

from .followed import following
from .services import READY, ByHand

ONE, OTHER = "198.19.1.1", "198.19.1.2"
SLICES = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]}


def test_list_and_watch_on_endpointslices_are_needed_and_enough(
    target: Target, hand_made: ByHand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The first tries follow at once, so that the test lasts no longer than what it tests.
    monkeypatch.setattr(Backoff, "FIRST_S", 0.02)
    name, namespace = hand_made.name, target.namespace
    hand_made.write({ONE: READY})
    resolver = KubernetesResolver(name, "http", namespace=namespace, config=target.account(name))
    lacking = f"403 .*the service account needs a Role with list and watch on endpointslices in namespace '{namespace}'"
    with following(Balancer(resolver=resolver)) as followed:
        followed.until_refused(f"cannot (list|watch) .*{lacking}")
        target.grant(name, verbs=["list"], **SLICES)
        followed.until_failing(f"cannot watch .*{lacking}")
        target.grant(name, verbs=["watch"], **SLICES)
        # It may take a while until rights are known. Who cannot watch fails between any two of its lists.
        undisturbed = False
        while not undisturbed:
            failures = len(caplog.records)
            for host in (OTHER, ONE, OTHER):
                hand_made.write({host: READY})
                followed.until([host])
            undisturbed = len(caplog.records) == failures
