"""A burst makes the calls that it is told to make, so many at a time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from benchmarks.overheads.bursts import burst, burst_asyncio


def test_threads_call_at_once() -> None:
    barrier = threading.Barrier(4)

    made = burst(barrier.wait, 40, 4, (OSError,))

    assert (made.calls, made.errors) == (40, 0)
    assert made.throughput > 0


async def test_tasks_call_at_once() -> None:
    barrier = asyncio.Barrier(5)

    made = await burst_asyncio(barrier.wait, 50, 5, (OSError,))

    assert (made.calls, made.errors) == (50, 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_failed_calls_are_counted_and_mistakes_are_raised(threads: int) -> None:
    def fail(error: Exception) -> None:
        raise error

    assert burst(lambda: fail(ConnectionResetError()), 30, threads, (OSError,)).errors == 30
    with pytest.raises(TypeError):
        burst(lambda: fail(TypeError()), 30, threads, (OSError,))
