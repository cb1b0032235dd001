"""What tests of the lab share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from benchmarks.lab.kinds import NAMESPACE
from tests.conftest import Lab


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """One of the test's own in the lab's cluster."""
    name = f"test-{uuid.uuid4().hex[:6]}"
    lab.call(lab.cluster.api.create, NAMESPACE, "", {"metadata": {"name": name}})
    yield name
    lab.call(lab.cluster.api.delete, NAMESPACE, "", name)
