"""That pods have joined or left is known when the last slice says so, and counted from when the first one did."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from typing import Any

import pytest

from benchmarks.lab.client import ApiClient
from benchmarks.lab.kinds import ENDPOINT_SLICE
from benchmarks.lab.membership import Course, Told, Written, until
from benchmarks.lab.mirror import Mirror
from benchmarks.lab.store import Store

from .served import TOKEN, serving


def piece(name: str, *pods: str) -> dict[str, Any]:
    endpoints = [
        {"addresses": ["10.64.0.9"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": pod}}
        for pod in pods
    ]
    return {"metadata": {"name": name}, "addressType": "IPv4", "endpoints": endpoints, "ports": []}


@pytest.mark.parametrize("by", ["the store", "a watch"])
async def test_the_moment_is_that_of_the_first_change_that_matters(by: str) -> None:
    store = Store()
    store.create(ENDPOINT_SLICE, "default", piece("before", "a"))
    changed = asyncio.Event()
    async with serving(store) as server, ApiClient(server.url, TOKEN) as client:
        mirror = Mirror(client, ENDPOINT_SLICE, changed.set, namespace="default")
        running = asyncio.create_task(mirror.run())
        await mirror.listed.wait()

        async def told() -> float:
            """Wait until the watch has told of a change; returns when it had."""
            changed.clear()
            await changed.wait()
            return time.monotonic()

        course: Course = Written(store, "default") if by == "the store" else Told(mirror)
        with mirror.telling(course.note) if isinstance(course, Told) else nullcontext():
            assert await until(course, {"a"}, present=True) <= time.monotonic()
            joining = asyncio.create_task(until(course, {"b", "c"}, present=True))

            store.create(ENDPOINT_SLICE, "default", piece("of-others", "x"))
            begin = await told()
            store.create(ENDPOINT_SLICE, "default", piece("first", "b"))
            end = await told()
            assert not joining.done()
            store.create(ENDPOINT_SLICE, "default", piece("last", "c"))

            assert begin <= await joining <= end
        running.cancel()
        await asyncio.wait({running})
