"""What the API server refuses or keeps to itself, and when it is asked again: on time that is skipped."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest

from discovery.resolvers._credentials import Access
from discovery.resolvers._list_watch import _Api
from discovery.runtime import Backoff
from tests.discovery.api_stand_in import CHUNKED, OK, Script, StandIn, chunk, event, item, listing, status
from tests.discovery.published import published
from tests.discovery.skipped_time import without_waiting

FIRST, OTHER = listing(5, item(3, "10.0.0.1")), listing(9, item(8, "10.0.0.2"))


@pytest.mark.parametrize("code", [429, 500, 503])
@pytest.mark.parametrize("before", [(), (FIRST,)], ids=["a list", "a watch"])
@without_waiting
async def test_the_server_is_left_alone_for_as_long_as_it_asks(code: int, before: tuple[bytes, ...]) -> None:
    script = Script(*before, status(code, "busy", "retry-after: 40"), OTHER)
    seen = await published(script, script.over)
    assert seen.hosts()[-1] == ["10.0.0.2"]
    refused = len(before)
    assert script.asked_s[refused + 1] - script.asked_s[refused] == pytest.approx(40)


@without_waiting
async def test_a_date_to_come_back_at_is_no_reason_to_wait_or_to_fail() -> None:
    script = Script(status(503, "busy", "retry-after: Fri, 31 Dec 2199 23:59:59 GMT"), FIRST)
    seen = await published(script, script.over)
    assert seen.hosts() == [["10.0.0.1"]]
    assert script.asked_s[1] - script.asked_s[0] <= Backoff.FIRST_S


@without_waiting
async def test_each_change_of_a_refusal_is_told_once_with_its_remedy(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "discovery")
    script = Script(*[status(403, "no")] * 4, *[status(401, "who?")] * 4, status(403, "no"), FIRST)
    await published(script, script.over)
    told = [record.getMessage().removeprefix("kubernetes echo.shop:http: resolving ") for record in caplog.records]
    what = "endpointslices in namespace 'shop'"
    forbidden = (
        f"failed and is tried again: cannot list {what}: 403 no "
        f"(the service account needs a Role with list and watch on {what})"
    )
    assert told == [forbidden, f"failed and is tried again: cannot list {what}: 401 who?", forbidden, "works again"]


@pytest.mark.parametrize(
    "answers",
    [((600.0,),), (FIRST, (600.0,)), (FIRST, (OK, 600.0)), (FIRST, (CHUNKED, chunk(b'{"type":'), 600.0))],
    ids=["no answer to a list", "no answer to a watch", "headers and no more", "half a line and no more"],
)
@without_waiting
async def test_a_server_that_falls_silent_is_given_up_after_75_seconds(answers: tuple[bytes, ...]) -> None:
    script = Script(*answers, OTHER)
    seen = await published(script, script.over)
    assert seen.hosts()[-1] == ["10.0.0.2"]
    silent = len(answers) - 1
    assert 75 <= script.asked_s[silent + 1] - script.asked_s[silent] <= 75 + Backoff.FIRST_S + 0.001


@without_waiting
async def test_each_watch_has_a_limit_of_its_own_from_five_to_ten_minutes() -> None:
    bookmark = OK + event("BOOKMARK", {"metadata": {"resourceVersion": "6"}})
    script = Script(FIRST, *[bookmark] * 20)
    await published(script, script.over)
    limits = [int(query["timeoutSeconds"]) for query in script.queries if "watch" in query]
    assert len(limits) == 21
    assert all(300 <= limit <= 600 for limit in limits)
    assert len({*limits}) > 1


@pytest.mark.parametrize(("random", "limit"), [(0.0, "300"), (0.9999, "599")])
async def test_a_watch_that_ends_without_news_after_a_second_has_reached_its_limit(random: float, limit: str) -> None:
    script = Script(OK)
    clock = iter([100.0, 101.0])
    async with script.serving() as configuration, httpx.AsyncClient(base_url=configuration.host) as client:
        api = _Api(client, Access(configuration, "default"), "shop", "echo")
        assert [each async for each in api.watch("5", random=lambda: random, clock=lambda: next(clock))] == []
    assert script.queries[0]["timeoutSeconds"] == limit


async def test_a_version_that_expires_again_after_news_is_answered_with_another_list() -> None:
    expired = event("ERROR", {"code": 410, "message": "too old"})
    script = Script(
        listing(5, item(3, "10.0.0.1")),
        OK + event("MODIFIED", item(6, "10.0.0.2")) + expired,
        listing(7, item(7, "10.0.0.3")),
        OK + event("MODIFIED", item(8, "10.0.0.4")) + expired,
        listing(9, item(9, "10.0.0.5")),
    )
    async with script.followed() as hosts:
        assert [await hosts() for _ in range(5)] == [[f"10.0.0.{number}"] for number in range(1, 6)]
    assert [query.get("resourceVersion") for query in script.queries[:5]] == ["0", "5", None, "7", None]


class Lagging(StandIn):
    """After its one event the connection breaks, and the server that answers then has not heard of that event yet."""

    def __init__(self) -> None:
        super().__init__()
        self.over = asyncio.Event()
        self._told = False

    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match query:
            case {"watch": _} if not self._told:
                self._told = True
                writer.write(CHUNKED + chunk(event("MODIFIED", item(6, "10.0.0.2"))))
            case {"watch": _}:
                self.over.set()
                writer.write(CHUNKED)
                await reader.read()
            case {"resourceVersion": "0"}:
                writer.write(listing(5, item(3, "10.0.0.1")))
            case {"resourceVersion": _}:
                writer.write(status(504, "Too large resource version: 6, current: 5", "retry-after: 1"))
            case _:
                writer.write(listing(6, item(6, "10.0.0.2")))


@without_waiting
async def test_after_an_error_nothing_older_is_taken_than_what_is_known() -> None:
    server = Lagging()
    seen = await published(server, server.over)
    versions = [snapshot.version for _, snapshot in seen.sets]
    assert versions == sorted(versions)
    assert seen.hosts()[-1] == ["10.0.0.2"]
