"""The watch of a Service through all that the lab's API server can do wrong: what it has is served throughout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kubernetes.client import Configuration

from benchmarks.lab.api import ApiServer
from benchmarks.lab.faults import Faults
from benchmarks.lab.kinds import ENDPOINT_SLICE, POD, Object
from benchmarks.lab.store import Store
from discovery import Balancer
from discovery.resolvers import _list_watch
from discovery.resolvers.kubernetes import KubernetesResolver
from discovery.runtime import Backoff

TOKEN = "letmein"


class Followed:
    """A Service of one slice behind an API server that can misbehave, and a balancer that follows it."""

    def __init__(self, store: Store, faults: Faults, server: ApiServer) -> None:
        self.faults = faults
        self.seen: list[set[str]] = []
        self._store = store
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        configuration = Configuration()
        configuration.host = server.url
        configuration.api_key["authorization"] = f"Bearer {TOKEN}"
        # Between bookmarks there are 0.1 s.
        resolver = KubernetesResolver("echo", "http", namespace="default", config=configuration, read_timeout_s=0.5)
        self.balancer = Balancer(resolver=resolver)

    @property
    def hosts(self) -> set[str]:
        return {each.endpoint.host for each in self.balancer.snapshot().endpoints}

    def move(self, host: str) -> None:
        """From now on the slice has this endpoint alone."""
        self._store.patch(ENDPOINT_SLICE, "default", "echo-1", slice_of(host))

    def expire(self) -> None:
        """Have the next watch told that its version is gone, and so need a list."""
        self._store.create(POD, "default", {"metadata": {"generateName": "other-"}})
        self.faults.expire_versions()

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.wait()
            self._changed.clear()
            self.seen.append(self.hosts)

    async def until_at(self, host: str) -> None:
        await self.until(lambda: self.hosts == {host})

    async def until_failing(self) -> None:
        await self.until(lambda: self.balancer.snapshot().source == "failing")

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        with self.balancer, self.balancer.listening(self._tell):
            self.balancer.start()
            await self.until_at("10.0.0.1")
            self.seen.clear()
            yield

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)


def slice_of(host: str) -> Object:
    return {
        "metadata": {"name": "echo-1", "labels": {"kubernetes.io/service-name": "echo"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": 80}],
    }


@pytest.fixture(params=["streamed lists", "plain lists"])
async def followed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Followed]:
    # The first tries follow at once, so that a test lasts no longer than what it tests.
    monkeypatch.setattr(Backoff, "FIRST_S", 0.02)
    monkeypatch.setattr(_list_watch, "STREAMED_SILENCE_S", 0.2)
    store, faults = Store(), Faults()
    store.create(ENDPOINT_SLICE, "default", slice_of("10.0.0.1"))
    empty = {**slice_of(""), "metadata": {**slice_of("")["metadata"], "name": "echo-2"}, "endpoints": [], "ports": []}
    store.create(ENDPOINT_SLICE, "default", empty)
    async with ApiServer(
        store, host="127.0.0.1", port=0, tokens=[TOKEN], faults=faults, bookmark_interval_s=0.1
    ) as server:
        if request.param == "plain lists":
            faults.no_streamed_lists()
        service = Followed(store, faults, server)
        async with service.following():
            yield service


@pytest.mark.parametrize(
    ("name", "options"),
    [
        # The watch that comes first is met, or the list that its expiry brings about, or both.
        ("too_many_requests", {"retry_after_s": 0, "count": 2}),
        ("internal_error", {"count": 2}),
        ("internal_error", {"of": "lists", "count": 1}),
        ("too_large_version", {"of": "lists", "count": 1}),
        ("unauthorized", {"count": 1}),
        ("unauthorized", {"of": "lists", "count": 1}),
        ("forbidden", {"count": 1}),
        ("garbage", {"count": 2}),
        ("close_at_once", {"count": 2}),
        ("close_watches", {"count": 2}),
        ("close_watches", {"events": 1, "count": 1}),
        ("cut_line", {"count": 2}),
        ("cut_line", {"events": 1, "count": 1}),
        ("never_answer", {"count": 1}),
        ("never_answer", {"of": "lists", "count": 1}),
        ("silent_after_headers", {"count": 2}),
        ("stop_reading", {"count": 1}),
    ],
)
async def test_what_happens_to_some_requests(followed: Followed, name: str, options: dict[str, Any]) -> None:
    if options.get("of") == "lists" and not followed.faults.in_force:
        followed.faults.no_streamed_lists()  # else there is no list to meet
    followed.expire()
    with getattr(followed.faults, name)(**options) as fault:
        followed.faults.end_watches()
        followed.move("10.0.0.2")
        await fault.spent.wait()
        await followed.until_at("10.0.0.2")
        followed.move("10.0.0.3")
        await followed.until_at("10.0.0.3")
    assert set() not in followed.seen


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("torn_lines", {}),
        ("unicode_line_breaks", {}),
        ("unknown_fields", {}),
        ("null_lists", {}),
        ("delay", {"response_s": 0.05, "event_s": 0.05}),
    ],
)
async def test_what_happens_to_all_requests(followed: Followed, name: str, options: dict[str, Any]) -> None:
    with getattr(followed.faults, name)(**options) as fault:
        followed.faults.end_watches()
        for host in ("10.0.0.2", "10.0.0.3"):
            followed.move(host)
            await followed.until_at(host)
        met = fault.met
        followed.expire()
        followed.faults.end_watches()
        followed.move("10.0.0.4")
        await followed.until_at("10.0.0.4")
        assert 0 < met < fault.met
    assert set() not in followed.seen


async def killed(faults: Faults, followed: Followed) -> None:
    await faults.kill()
    await followed.until_failing()
    followed.move("10.0.0.2")
    await faults.start()


async def stopped_gently(faults: Faults, followed: Followed) -> None:
    faults.stop_listening()
    followed.move("10.0.0.7")
    await followed.until_at("10.0.0.7")
    faults.end_watches()
    await followed.until_failing()
    followed.move("10.0.0.2")
    await faults.start()


async def restored_from_a_backup(faults: Faults, followed: Followed) -> None:
    for host in ("10.0.0.7", "10.0.0.8", "10.0.0.9"):
        followed.move(host)
        await followed.until_at(host)
    await faults.lose_versions(3)
    await followed.until_at("10.0.0.1")
    followed.move("10.0.0.2")


async def expired(faults: Faults, followed: Followed) -> None:
    followed.expire()
    faults.end_watches()
    followed.move("10.0.0.2")


@pytest.mark.parametrize("happens", [killed, stopped_gently, restored_from_a_backup, expired])
async def test_what_happens_to_the_server(
    followed: Followed, happens: Callable[[Faults, Followed], Awaitable[None]]
) -> None:
    await happens(followed.faults, followed)
    await followed.until_at("10.0.0.2")
    followed.move("10.0.0.3")
    await followed.until_at("10.0.0.3")
    assert set() not in followed.seen
