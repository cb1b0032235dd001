"""The protocol without any I/O: what a stream is to be sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from google.rpc.status_pb2 import Status

from discovery.xds._resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from discovery.xds._stream import Said, Stream


class Known:
    """A view that the test writes."""

    def __init__(self, **endpoints: bytes) -> None:
        self.version = "1"
        self.endpoints = endpoints

    def resource(self, kind: str, name: str) -> bytes | None:
        return self.endpoints.get(name) if kind == ENDPOINTS else f"{kind}/{name}".encode()

    def sidecar(self, kind: str, listeners: Iterable[tuple[str, str]]) -> dict[str, bytes]:
        return {name: f"{kind}/{name}/{address}".encode() for name, address in listeners}


def request(kind: str, *names: str, nonce: str = "", refuses: str = "", node: Any = None) -> Any:
    error = Status(message=refuses) if refuses else None
    return DiscoveryRequest(
        type_url=kind, resource_names=names, response_nonce=nonce, error_detail=error, node=node or Node(id="me")
    )


def sent(stream: Stream, known: Known) -> tuple[bytes, ...] | None:
    response = stream.due(known, 0.0)
    return None if response is None else response.resources


def test_what_is_asked_for_is_sent_once() -> None:
    stream, known = Stream(), Known(a=b"a1")
    assert stream.heard(request(ENDPOINTS, "a")) is Said.ASKED
    response = stream.due(known, 0.0)
    assert response is not None
    assert (response.kind, response.version, response.resources) == (ENDPOINTS, "1", (b"a1",))
    assert stream.due(known, 0.0) is None
    assert stream.heard(request(ENDPOINTS, "a", nonce=response.nonce)) is Said.ACK
    assert stream.due(known, 0.0) is None


def test_of_endpoints_only_what_changed_is_sent() -> None:
    stream, known = Stream(), Known(a=b"a1", b=b"b1")
    stream.heard(request(ENDPOINTS, "a", "b"))
    assert sent(stream, known) == (b"a1", b"b1")
    known.endpoints["b"] = b"b2"
    assert sent(stream, known) == (b"b2",)


def test_listeners_and_clusters_are_always_sent_complete() -> None:
    stream, known = Stream(), Known()
    stream.heard(request(CLUSTER, "a"))
    assert len(sent(stream, known) or ()) == 1
    stream.heard(request(CLUSTER, "a", "b", nonce="1"))
    assert len(sent(stream, known) or ()) == 2


def test_several_changes_that_could_not_be_sent_are_one() -> None:
    stream, known = Stream(), Known(a=b"a1")
    stream.heard(request(ENDPOINTS, "a"))
    stream.due(known, 0.0)
    for newer in (b"a2", b"a3", b"a4"):
        known.endpoints["a"] = newer
    assert sent(stream, known) == (b"a4",)
    assert sent(stream, known) is None


def test_what_is_not_known_yet_is_sent_when_it_is_and_holds_nothing_else_up() -> None:
    stream, known = Stream(), Known(a=b"a1")
    stream.heard(request(ENDPOINTS, "a", "b"))
    assert sent(stream, known) == (b"a1",)
    known.endpoints["b"] = b"b1"
    assert sent(stream, known) == (b"b1",)


def test_what_was_known_and_is_not_now_is_no_change() -> None:
    stream, known = Stream(), Known(a=b"a1")
    stream.heard(request(ENDPOINTS, "a"))
    sent(stream, known)
    first = known.endpoints.pop("a")
    assert sent(stream, known) is None
    known.endpoints["a"] = first
    assert sent(stream, known) is None


def test_an_answer_to_an_older_response_changes_nothing() -> None:
    stream, known = Stream(), Known(a=b"a1", b=b"b1")
    stream.heard(request(ENDPOINTS, "a"))
    stream.due(known, 0.0)
    known.endpoints["a"] = b"a2"
    stream.due(known, 0.0)
    assert stream.heard(request(ENDPOINTS, "a", "b", nonce="1")) is Said.STALE
    assert stream.services == {"a"}
    assert stream.heard(request(ENDPOINTS, "a", "b", nonce="2")) is Said.ACK
    assert stream.services == {"a", "b"}


def test_a_request_without_a_nonce_is_a_question_though_a_response_crossed_it() -> None:
    stream, known = Stream(), Known(a=b"a1", b=b"b1")
    stream.heard(request(ENDPOINTS, "a"))
    stream.due(known, 0.0)
    assert stream.heard(request(ENDPOINTS, "a", "b")) is Said.ASKED
    assert sent(stream, known) == (b"b1",)
    assert stream.awaited_since(ENDPOINTS) == 0.0


def test_what_is_refused_is_not_sent_again_until_it_changes() -> None:
    stream, known = Stream(), Known(a=b"a1")
    stream.heard(request(ENDPOINTS, "a"))
    stream.due(known, 0.0)
    assert stream.heard(request(ENDPOINTS, "a", nonce="1", refuses="bad")) is Said.NACK
    assert sent(stream, known) is None
    known.endpoints["a"] = b"a2"
    assert sent(stream, known) == (b"a2",)


def test_what_is_asked_for_again_is_sent_again() -> None:
    stream, known = Stream(), Known(a=b"a1", b=b"b1")
    stream.heard(request(ENDPOINTS, "a", "b"))
    sent(stream, known)
    stream.heard(request(ENDPOINTS, "b", nonce="1"))
    assert sent(stream, known) is None
    stream.heard(request(ENDPOINTS, "a", "b", nonce="1"))
    assert sent(stream, known) == (b"a1",)


def test_what_is_referred_to_comes_before_what_refers_to_it() -> None:
    stream, known = Stream(), Known(a=b"a1")
    for kind in (ROUTES, LISTENER, ENDPOINTS, CLUSTER):
        stream.heard(request(kind, "a"))
    order = [response.kind for _ in range(4) if (response := stream.due(known, 0.0))]
    assert order == [CLUSTER, ENDPOINTS, LISTENER, ROUTES]


@pytest.mark.parametrize("names", [(), ("*",)])
def test_a_sidecar_gets_what_its_metadata_ask_for(names: tuple[str, ...]) -> None:
    stream, known = Stream(), Known()
    node: Any = Node(id="sidecar")
    node.metadata.update({"listeners": {"orders": "127.0.0.1:1"}})
    stream.heard(request(LISTENER, *names, node=node))
    assert sent(stream, known) == (f"{LISTENER}/orders/127.0.0.1:1".encode(),)
    stream.heard(request(LISTENER, *names, nonce="1"))
    assert sent(stream, known) is None


def test_a_sidecar_without_listeners_is_told_at_once_that_there_are_none() -> None:
    stream = Stream()
    stream.heard(request(CLUSTER))
    assert sent(stream, Known()) == ()


def test_who_names_nothing_any_more_gets_nothing() -> None:
    stream, known = Stream(), Known(a=b"a1")
    stream.heard(request(ENDPOINTS, "a"))
    sent(stream, known)
    stream.heard(request(ENDPOINTS, nonce="1"))
    assert stream.services == frozenset()
    known.endpoints["a"] = b"a2"
    assert sent(stream, known) is None


def test_a_type_that_is_not_served_is_said_to_be_unknown() -> None:
    stream = Stream()
    assert stream.heard(request("type.googleapis.com/envoy.extensions.Secret", "a")) is Said.UNKNOWN
    assert sent(stream, Known()) is None


def test_it_tells_since_when_an_acknowledgement_is_missing() -> None:
    stream, known = Stream(), Known(a=b"a1")
    stream.heard(request(ENDPOINTS, "a"))
    assert stream.awaited_since(ENDPOINTS) is None
    stream.due(known, 3.0)
    known.endpoints["a"] = b"a2"
    stream.due(known, 5.0)
    assert stream.awaited_since(ENDPOINTS) == 3.0
    stream.heard(request(ENDPOINTS, "a", nonce="2"))
    assert stream.awaited_since(ENDPOINTS) is None
