"""The watch against a server that answers as a script says: every way in which a stream can end."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from discovery import Balancer
from discovery.resolvers import _list_watch
from discovery.resolvers._list_watch import ApiError
from discovery.resolvers.kubernetes import KubernetesResolver
from tests.discovery.api_stand_in import EXPIRED, OK, Script, StandIn, event, item, listing, status


async def test_a_list_then_a_set_for_each_event() -> None:
    script = Script(
        listing(5, item(3, "10.0.0.1")),
        OK
        + event("ADDED", item(6, "10.0.0.2", name="echo-2"))
        + event("MODIFIED", item(7, "10.0.0.3"))
        + event("BOOKMARK", {"metadata": {"resourceVersion": "8"}})
        + event("DELETED", item(9, name="echo-2")),
    )
    async with script.followed() as hosts:
        assert [await hosts() for _ in range(4)] == [
            ["10.0.0.1"],
            ["10.0.0.1", "10.0.0.2"],
            ["10.0.0.2", "10.0.0.3"],
            ["10.0.0.3"],
        ]
    assert script.queries[0] == {
        "labelSelector": "kubernetes.io/service-name=echo",
        "resourceVersion": "0",
        "limit": "500",
    }
    assert script.queries[1].items() >= {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "5"}.items()
    assert 300 <= int(script.queries[1]["timeoutSeconds"]) <= 600
    assert all(b"authorization: Bearer secret" in head for head in script.headers)
    assert b"GET /apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?" in script.headers[0]


async def test_a_watch_that_is_closed_goes_on_from_its_last_version_without_a_list() -> None:
    script = Script(
        listing(5, item(3, "10.0.0.1")),
        OK + event("MODIFIED", item(6, "10.0.0.2")) + event("BOOKMARK", {"metadata": {"resourceVersion": "9"}}),
        OK + event("MODIFIED", item(10, "10.0.0.3")),
    )
    async with script.followed() as hosts:
        assert [await hosts() for _ in range(3)] == [["10.0.0.1"], ["10.0.0.2"], ["10.0.0.3"]]
    assert [query.get("watch") for query in script.queries] == [None, "true", "true"]
    assert script.queries[2]["resourceVersion"] == "9"


@pytest.mark.parametrize("expired", [EXPIRED, status(410, "too old")])
async def test_an_expired_version_is_answered_with_a_new_list_in_one_step(expired: bytes) -> None:
    script = Script(
        listing(5, item(3, "10.0.0.1"), item(4, "10.0.0.2", name="echo-2")),
        expired,
        listing(90, item(80, "10.0.0.7")),
    )
    async with script.followed() as hosts:
        assert [await hosts() for _ in range(2)] == [["10.0.0.1", "10.0.0.2"], ["10.0.0.7"]]
    # From the cache at first; after an expiry from etcd, since the cache may be what is behind.
    assert script.queries[0]["resourceVersion"] == "0"
    assert "resourceVersion" not in script.queries[2]


async def test_a_list_is_followed_page_by_page() -> None:
    script = Script(
        listing(5, item(3, "10.0.0.1"), rest="more"),
        listing(5, item(4, "10.0.0.2", name="echo-2"), rest="yet more"),
        listing(5, item(4, "10.0.0.3", name="echo-3")),
    )
    async with script.followed() as hosts:
        assert await hosts() == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert [query.get("continue") for query in script.queries[:3]] == [None, "more", "yet more"]
    assert all("resourceVersion" not in query for query in script.queries[1:3])


async def test_a_page_that_has_expired_is_answered_with_one_full_list() -> None:
    script = Script(
        listing(5, item(3, "10.0.0.1"), rest="more"), status(410, "too slow"), listing(9, item(8, "10.0.0.7"))
    )
    async with script.followed() as hosts:
        assert await hosts() == ["10.0.0.7"]
    assert script.queries[2] == {"labelSelector": "kubernetes.io/service-name=echo"}


END_OF_LIST = {"metadata": {"resourceVersion": "5", "annotations": {"k8s.io/initial-events-end": "true"}}}
STREAMED = (
    OK
    + event("ADDED", item(3, "10.0.0.1"))
    + event("ADDED", item(4, "10.0.0.2", name="echo-2"))
    + event("BOOKMARK", END_OF_LIST)
)


async def test_a_list_is_streamed_where_the_server_has_that_and_its_stream_goes_on_as_the_watch() -> None:
    script = Script(
        STREAMED + event("MODIFIED", item(6, "10.0.0.3")),
        EXPIRED,
        OK + event("BOOKMARK", END_OF_LIST),
        streams_lists=True,
    )
    async with script.followed() as hosts:
        assert [await hosts() for _ in range(3)] == [["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.3"], []]
    first, second, third = script.queries[:3]
    asks = {"watch": "true", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    assert first.items() >= {**asks, "allowWatchBookmarks": "true", "resourceVersion": "0"}.items()
    assert (second["resourceVersion"], second.get("sendInitialEvents")) == ("6", None)
    assert third.items() >= asks.items()
    assert "resourceVersion" not in third


@pytest.mark.parametrize(
    "answer",
    [
        status(400, "unknown parameter"),
        listing(5, item(3, "10.0.0.9")),
        OK,
        OK + event("ADDED", item(3, "10.0.0.9")),
        OK + event("ADDED", item(3, "10.0.0.9")) + b"<html>\n",
        OK + event("ADDED", {"metadata": {}}),
    ],
    ids=["refused", "a list", "nothing", "no end", "no JSON", "no slice"],
)
async def test_a_list_that_is_not_streamed_to_its_end_is_asked_for_in_pages(
    answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "discovery")
    script = Script(answer, listing(5, item(3, "10.0.0.1")), streams_lists=True)
    async with script.followed() as hosts:
        assert await hosts() == ["10.0.0.1"]
    assert script.queries[1] == {
        "labelSelector": "kubernetes.io/service-name=echo",
        "resourceVersion": "0",
        "limit": "500",
    }
    assert caplog.records == []


class SilentWhenAskedToStream(Script):
    """Sends headers and nothing else to who asks for a streamed list, as a server that ignores the question may."""

    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "sendInitialEvents" in query:
            writer.write(OK)
            await reader.read()
        else:
            await super().answer(query, reader, writer)


async def test_a_list_that_is_not_streamed_in_time_is_asked_for_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_list_watch, "STREAMED_SILENCE_S", 0.05)
    async with SilentWhenAskedToStream(listing(5, item(3, "10.0.0.1")), streams_lists=True).followed() as hosts:
        assert await hosts() == ["10.0.0.1"]


@pytest.mark.parametrize("refused", [status(401, "who?"), status(403, "no"), status(429, "busy"), status(500, "boom")])
async def test_who_is_refused_a_streamed_list_for_another_reason_is_told_so(refused: bytes) -> None:
    async with Script(refused, listing(5), streams_lists=True).followed() as hosts:
        with pytest.raises(ApiError, match="cannot watch"):
            await hosts()


async def test_a_version_that_the_server_does_not_have_yet_is_answered_with_the_newest() -> None:
    script = Script(status(504, "Too large resource version: 9, current: 5"), listing(5, item(3, "10.0.0.1")))
    async with script.followed() as hosts:
        assert await hosts() == ["10.0.0.1"]
    assert "resourceVersion" not in script.queries[1]


async def test_a_version_that_expires_at_once_again_and_again_is_an_error_and_no_busy_loop() -> None:
    script = Script(listing(5), EXPIRED, listing(6), EXPIRED)
    async with script.followed() as hosts:
        assert [await hosts() for _ in range(2)] == [[], []]
        with pytest.raises(ApiError, match="has expired at once"):
            await hosts()


async def test_the_server_may_say_when_to_come_back() -> None:
    async with Script(status(429, "busy", "retry-after: 7")).followed() as hosts:
        with pytest.raises(ApiError, match="429 busy") as raised:
            await hosts()
    assert raised.value.retry_after_s == 7


async def test_lines_end_at_newlines_and_nowhere_else() -> None:
    strange = item(6, "10.0.0.2", annotations={"note": "a\u0085b\u2028c"})
    script = Script(listing(5), OK + b"\n" + event("ADDED", strange) + b"  \n" + event("DELETED", item(7)))
    async with script.followed() as hosts:
        assert [await hosts() for _ in range(3)] == [[], ["10.0.0.2"], []]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (
            (status(403, "no"),),
            r"cannot list endpointslices in namespace 'shop': 403 no .*needs a Role with list and watch",
        ),
        ((status(500, "etcd is away"),), "cannot list .*: 500 etcd is away"),
        ((b"HTTP/1.1 502 x\r\nconnection: close\r\n\r\n<html>",), "502 <html>"),
        ((listing(5), status(401, "who?")), "cannot watch .*: 401 who?"),
        ((listing(5), OK + event("ERROR", {"code": 500, "message": "boom"})), "cannot watch .*: 500 boom"),
        ((listing(5), OK), "closed at once and without an event"),
    ],
)
async def test_what_cannot_be_mended_is_raised_and_says_what_it_was(answers: tuple[bytes, ...], says: str) -> None:
    async with Script(*answers).followed() as hosts:
        for _ in answers[:-1]:
            assert await hosts() == []
        with pytest.raises(ApiError, match=says) as raised:
            await hosts()
        assert "secret" not in str(raised.value)


async def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_list_watch, "LONGEST_LINE", 1000)
    async with Script(listing(5), OK + b"x" * 5000).followed() as hosts:
        assert await hosts() == []
        with pytest.raises(ApiError, match="a line of over 1000 bytes"):
            await hosts()


async def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_list_watch, "LARGEST_PAGE", 1000)
    async with Script(OK + b" " * 5000).followed() as hosts:
        with pytest.raises(ApiError, match="more than 1000 bytes"):
            await hosts()


class Guarded(StandIn):
    """Knows one token at a time, and has the endpoint of that name; its watches end when `end_watches` says so."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "first"
        self._ending = asyncio.Event()

    def end_watches(self) -> None:
        self._ending.set()
        self._ending = asyncio.Event()

    async def answer(self, query: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if f"authorization: Bearer {self.token}\r\n".encode() not in self.headers[-1]:
            writer.write(status(401, "Unauthorized"))
        elif "watch" in query:
            writer.write(OK + event("BOOKMARK", {"metadata": {"resourceVersion": "5"}}))
            await self._ending.wait()
        else:
            pod = item(3, "10.0.0.1" if self.token == "first" else "10.0.0.2")
            writer.write(listing(5, pod))


async def test_a_token_that_is_refused_is_read_again_at_once_and_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = Guarded()
    token, kubeconfig = tmp_path / "token", tmp_path / "config"
    token.write_text("first")
    async with script.serving() as configuration:
        user, context = {"tokenFile": str(token)}, {"cluster": "c", "user": "u"}
        content = {
            "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": configuration.host}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "here", "context": context}],
        }
        kubeconfig.write_text(json.dumps(content))
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        async with contextlib.aclosing(KubernetesResolver("echo", "http", namespace="shop").watch()) as sets:
            assert (await anext(sets)).endpoints[0].host == "10.0.0.1"
            token.write_text("second")
            script.token = "second"
            script.end_watches()
            while [each.host for each in (await anext(sets)).endpoints] != ["10.0.0.2"]:
                pass  # the one that is gone is kept for a moment
            script.token = "third"  # of which the file knows nothing, so that there is nothing new to try with
            script.end_watches()
            with pytest.raises(ApiError, match="401 Unauthorized"):
                await anext(sets)


async def test_all_balancers_of_a_service_share_one_watch() -> None:
    slice_ = {**item(3, "10.0.0.1"), "ports": [{"name": "http", "port": 80}, {"name": "grpc", "port": 90}]}
    script = Script(listing(5, slice_))
    async with script.serving() as configuration, contextlib.AsyncExitStack() as stack:
        for port in ("http", "grpc", "http"):
            resolver = KubernetesResolver("echo", port, namespace="shop", config=configuration)
            balancer = await stack.enter_async_context(Balancer(resolver=resolver))
            with await balancer.pick_async(timeout_s=30) as lease:
                assert lease.endpoint.port == {"http": 80, "grpc": 90}[port]
    assert [query for query in script.queries if "watch" not in query] == script.queries[:1]
