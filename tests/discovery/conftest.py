"""Fixtures of the library's tests."""

from collections.abc import Iterator

import pytest

from tests.discovery.grpc_pods import Pod


@pytest.fixture
def pods() -> Iterator[tuple[Pod, ...]]:
    """Three running gRPC servers."""
    started = tuple(Pod(f"pod-{number}") for number in range(3))
    yield started
    for pod in started:
        pod.stop()


@pytest.fixture(params=["sync", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which of the two kinds of client."""
    return str(request.param)
