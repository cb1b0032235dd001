"""The watch against a cluster: the same scenarios run against the lab and, by `make test-cluster`, a real one.

All that they need of it is its API server and controllers: no kubelet, no scheduler and no network of pods.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.target import Target, cluster

from .services import ByHand, BySelector


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(autouse=True)
def kubeconfig(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user's shell would name it."""
    monkeypatch.setenv("KUBECONFIG", target.kubeconfig)


@pytest.fixture
def name() -> str:
    """Of a Service, an account, ... that is one test's own."""
    return f"shop-{secrets.token_hex(4)}"


@pytest.fixture
def shop(target: Target, name: str) -> BySelector:
    """A Service that is not there yet."""
    return BySelector(target, name)


@pytest.fixture
def hand_made(target: Target, name: str) -> ByHand:
    """A Service without slices."""
    return ByHand(target, name)
