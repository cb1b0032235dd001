"""Who follows a watch may be slow, and may leave at any time."""

from __future__ import annotations

import asyncio
import contextlib

from discovery.resolvers.kubernetes import KubernetesResolver
from tests.discovery.api_stand_in import OK, Script, event, item, listing


async def test_who_follows_slowly_holds_up_nobody_and_sees_the_newest() -> None:
    last = 206
    events = [event("MODIFIED", item(version, f"10.0.0.{version - 6}")) for version in range(6, last + 1)]
    script = Script(listing(5, item(3, "10.0.0.0")), (OK, *(piece for each in events for piece in (each, 0.0))))
    told, go_on = asyncio.Event(), asyncio.Event()

    async def follow(seen: list[int], *, slowly: bool) -> None:
        async for snapshot in resolver.watch():
            seen.append(int(snapshot.version))
            told.set()
            if slowly:
                await go_on.wait()

    async def until_last(seen: list[int]) -> None:
        while not seen or seen[-1] != last:
            told.clear()
            await told.wait()

    async with script.serving() as configuration:
        resolver = KubernetesResolver("echo", "http", namespace="shop", config=configuration)
        slow, quick = list[int](), list[int]()
        following = [asyncio.create_task(follow(slow, slowly=True)), asyncio.create_task(follow(quick, slowly=False))]
        await until_last(quick)
        assert slow == [5]
        go_on.set()
        await until_last(slow)
        for each in following:
            each.cancel()
        await asyncio.wait(following)
    # The first, the one that was waited for already, and then the newest.
    assert len(slow) <= 3
    assert quick == sorted(quick)
    assert len([query for query in script.queries if "watch" not in query]) == 1


async def test_a_watch_may_be_closed_between_two_sets() -> None:
    script = Script(listing(5, item(3, "10.0.0.1")))
    async with script.serving() as configuration:
        resolver = KubernetesResolver("echo", "http", namespace="shop", config=configuration)
        async with contextlib.aclosing(resolver.watch()) as sets:
            assert (await anext(sets)).version == "5"
            await script.over.wait()
