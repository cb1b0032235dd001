"""Background work: its failures reach everyone who depends on it."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.lab.background import Background, together


async def fail(after: asyncio.Event | None = None) -> None:
    if after is not None:
        await after.wait()
    raise LookupError("background")


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_failure_cancels_the_block_and_is_raised_by_it() -> None:
    async def block() -> None:
        async with Background() as background:
            background.start(fail(), "failing")
            await forever()

    with pytest.raises(LookupError, match="background"):
        await block()


async def test_who_waits_in_another_task_hears_of_the_failure_too() -> None:
    now = asyncio.Event()
    others: list[asyncio.Task[None]] = []

    async def other(background: Background) -> None:
        now.set()
        await background.wait(forever())

    async def block() -> None:
        async with Background() as background:
            background.start(fail(now), "failing")
            others.append(asyncio.create_task(other(background)))
            await forever()

    with pytest.raises(LookupError, match="background"):
        await block()
    with pytest.raises(LookupError, match="background"):
        await others[0]


async def test_a_result_comes_through() -> None:
    async def answer() -> int:
        return 42

    async with Background() as background:
        assert await background.wait(answer()) == 42


async def test_the_end_of_the_block_cancels_what_still_runs() -> None:
    async with Background() as background:
        task = background.start(forever(), "endless")
    assert task.cancelled()


async def test_an_exception_of_the_block_comes_out_as_it_is() -> None:
    async def block() -> None:
        async with Background() as background:
            background.start(forever(), "endless")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await block()


async def test_a_cancellation_from_elsewhere_is_not_swallowed() -> None:
    started = asyncio.Event()

    async def block() -> None:
        async with Background() as background:
            background.start(forever(), "endless")
            started.set()
            await forever()

    task = asyncio.create_task(block())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_several_the_first_failure_cancels_the_others_and_comes_out_as_it_is() -> None:
    ended: list[str] = []

    async def other() -> None:
        try:
            await forever()
        finally:
            ended.append("other")

    with pytest.raises(LookupError, match="background"):
        await together([other(), fail()])
    assert ended == ["other"]
