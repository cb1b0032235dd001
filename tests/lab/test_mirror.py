"""A mirror keeps in step through everything that ends a watch."""

import asyncio
from typing import Any

import httpx

from benchmarks.lab.client import ApiClient
from benchmarks.lab.kinds import POD
from benchmarks.lab.mirror import Mirror
from benchmarks.lab.store import Store

from .served import TOKEN, serving


def pod(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {}}


async def until(mirror: Mirror, changed: asyncio.Event, names: set[str]) -> None:
    while {name for _namespace, name in mirror.objects} != names:
        changed.clear()
        await changed.wait()


async def test_a_mirror_follows_through_a_restart_and_a_compaction() -> None:
    store, changed = Store(), asyncio.Event()
    store.create(POD, "default", pod("a"))
    async with serving(store) as server:
        client = ApiClient(server.url, TOKEN)
        mirror = Mirror(client, POD, changed.set)
        running = asyncio.create_task(mirror.run())
        await until(mirror, changed, {"a"})
        store.create(POD, "default", pod("b"))
        store.delete(POD, "default", "a")
        await until(mirror, changed, {"b"})

    store.create(POD, "default", pod("c"))
    store.delete(POD, "default", "b")
    store.compact()
    port = httpx.URL(server.url).port
    assert port is not None
    async with serving(store, port=port):
        await until(mirror, changed, {"c"})
        store.patch(POD, "default", "c", {"status": {"phase": "Running"}})
        changed.clear()
        await changed.wait()
        assert mirror.objects["default", "c"]["status"] == {"phase": "Running"}
        running.cancel()
        await asyncio.wait([running])
        await client.aclose()

    assert running.cancelled()


async def test_a_mirror_that_fell_behind_lists_again() -> None:
    store, changed = Store(history=2), asyncio.Event()
    async with serving(store) as server, ApiClient(server.url, TOKEN) as client, asyncio.TaskGroup() as group:
        mirror = Mirror(client, POD, changed.set)
        running = group.create_task(mirror.run())
        store.create(POD, "default", pod("a"))
        await until(mirror, changed, {"a"})

        # More at once than the history holds, so that the watch ends with 410.
        store.delete(POD, "default", "a")
        for name in "bcd":
            store.create(POD, "default", pod(name))

        await until(mirror, changed, {"b", "c", "d"})
        running.cancel()
