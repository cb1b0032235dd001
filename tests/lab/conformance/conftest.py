"""What "true to Kubernetes" means here: the same tests run against the lab and, by `make test-cluster`, a real cluster.

kubectl, where it is too old or missing, is left out.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.target import Target, cluster


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def mark() -> str:
    """A label value for what one test makes."""
    return f"t-{secrets.token_hex(4)}"
