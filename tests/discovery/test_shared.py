"""One source, many followers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from discovery.resolvers._shared import shared


class Source:
    """Yields what the test puts in, and tells when it was started and ended."""

    def __init__(self) -> None:
        self.started = 0
        self.ended = asyncio.Event()
        self.values: asyncio.Queue[int | Exception] = asyncio.Queue()

    async def run(self) -> AsyncIterator[int]:
        self.started += 1
        try:
            while True:
                value = await self.values.get()
                if isinstance(value, Exception):
                    raise value
                yield value
        finally:
            self.ended.set()


async def test_one_run_serves_all_and_ends_with_the_last() -> None:
    source = Source()
    one, other = shared("key", source.run), shared("key", source.run)
    source.values.put_nowait(1)
    assert (await anext(one), await anext(other)) == (1, 1)
    await one.aclose()
    source.values.put_nowait(2)
    assert await anext(other) == 2
    assert not source.ended.is_set()
    await other.aclose()
    await source.ended.wait()
    async with contextlib.aclosing(shared("key", source.run)) as again:
        source.values.put_nowait(3)
        assert await anext(again) == 3
    assert source.started == 2


async def test_who_comes_late_or_is_slow_sees_the_newest() -> None:
    source = Source()
    async with contextlib.aclosing(shared("key", source.run)) as quick:
        for value in (1, 2, 3):
            source.values.put_nowait(value)
            assert await anext(quick) == value
        async with contextlib.aclosing(shared("key", source.run)) as late:
            assert await anext(late) == 3


async def test_each_gets_the_error_and_the_next_one_starts_anew() -> None:
    source = Source()
    followers = [asyncio.ensure_future(anext(shared("key", source.run))) for _ in range(2)]
    source.values.put_nowait(OSError("away"))
    results = await asyncio.gather(*followers, return_exceptions=True)
    assert [str(result) for result in results] == ["away", "away"]
    source.values.put_nowait(4)
    async with contextlib.aclosing(shared("key", source.run)) as again:
        assert await anext(again) == 4


async def test_other_keys_have_sources_of_their_own() -> None:
    one, other = Source(), Source()
    one.values.put_nowait(1)
    other.values.put_nowait(2)
    async with (
        contextlib.aclosing(shared("one", one.run)) as first,
        contextlib.aclosing(shared("other", other.run)) as second,
    ):
        assert (await anext(first), await anext(second)) == (1, 2)


async def test_a_source_that_ends_ends_all() -> None:
    async def ending() -> AsyncIterator[int]:
        yield 1

    assert [value async for value in shared("key", ending)] == [1]
