"""Client processes that fail: each becomes one error, in time, and leaves no process."""

import multiprocessing
import socket
from collections.abc import Iterator

import pytest

from benchmarks.client import Job
from benchmarks.process import ClientError, ClientProcess, context
from benchmarks.strategies import Way


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def job(strategy: str) -> Job:
    return Job(
        strategy=strategy,
        wire="http",
        client="asyncio",
        way=Way(strategy, "kept", "round_robin"),
        kubeconfig="",
        rate_rps=100.0,
        warmup_s=0.1,
        duration_s=0.1,
        timeout_s=10.0,
    )


async def test_a_client_that_cannot_go_on_says_why() -> None:
    async with ClientProcess(job("nosuch"), context()) as client:
        with pytest.raises(ClientError, match="No module named") as raised:
            await client.ready(60.0)

    assert "Traceback" in raised.value.detail
    assert multiprocessing.active_children() == []


async def test_a_client_that_dies_is_noticed_at_once(silent: str) -> None:
    async with ClientProcess(job(f"static:///{silent}"), context()) as client:
        (process,) = multiprocessing.active_children()
        process.kill()
        with pytest.raises(ClientError, match="died, exit status"):
            await client.ready(60.0)

    assert multiprocessing.active_children() == []


async def test_a_client_that_hangs_is_ended(silent: str) -> None:
    async with ClientProcess(job(f"static:///{silent}"), context()) as client:
        with pytest.raises(ClientError, match="said nothing for"):
            await client.ready(0.5)

    assert multiprocessing.active_children() == []
