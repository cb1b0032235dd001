"""What registrations in etcd mean, without I/O."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery import Endpoint
from discovery.resolvers._registrations import (
    Change,
    Page,
    Registrations,
    end_of,
    read_page,
    read_told,
    value_of,
)


def change(key: str, **fields: Any) -> Change:
    return Change(key.encode(), json.dumps(fields).encode())


def test_what_a_provider_writes_is_what_a_client_reads() -> None:
    endpoints = [
        Endpoint("10.0.0.1", 80),
        Endpoint("fd00::1", 8080, name="orders-0", weight=3, zone="zone-a", node="node-0"),
        Endpoint("orders.example", 65535),
    ]
    changes = [Change(each.host.encode(), value_of(each)) for each in endpoints]
    assert set(Registrations().after(7, changes).snapshot("orders/").endpoints) == set(endpoints)


def test_a_set_is_in_the_order_of_addresses_and_has_each_once() -> None:
    one = Registrations().after(1, [change("z", address="10.0.0.1:80"), change("b", address="10.0.0.2:80", weight=2)])
    both = one.after(2, [change("a", address="10.0.0.2:80", weight=5), change("c", address="10.0.0.1:9")])
    snapshot = both.snapshot("orders/")
    assert [(each.address, each.weight) for each in snapshot.endpoints] == [
        ("10.0.0.1:9", 1),
        ("10.0.0.1:80", 1),
        ("10.0.0.2:80", 2),
    ]
    assert snapshot.version == "2"
    assert len(one.by_key) == 2, "a value that was given out does not change"


def test_an_address_stays_as_long_as_one_of_its_registrations() -> None:
    both = Registrations().after(1, [change("a", address="10.0.0.1:80"), change("b", address="10.0.0.1:80")])
    one = both.after(2, [Change(b"a", None)])
    assert [each.address for each in one.snapshot("orders/").endpoints] == ["10.0.0.1:80"]
    assert one.after(3, [Change(b"b", None)]).snapshot("orders/").endpoints == ()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "no JSON"),
        (b"10.0.0.1:80", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 4000, "nested too deeply"),
        (b"[]", "no JSON object"),
        (b"{}", "no `:port`"),
        (b'{"address": 80}', "address is no text"),
        (b'{"address": "10.0.0.1:0"}', "port '0' is not a number from 1"),
        (b'{"address": "10.0.0.1/x:80"}', "neither an IP address nor a DNS name"),
        (b'{"address": "[fd00::x]:80"}', "hex digits permitted"),
        (b'{"address": "fd00::1:80"}', "IPv6 address without brackets"),
        (b'{"address": "10.0.0.1:80", "weight": 0}', "weight '0'"),
        (b'{"address": "10.0.0.1:80", "weight": true}', "weight 'True'"),
        (b'{"address": "10.0.0.1:80", "weight": 1.5}', "weight '1.5'"),
        (b'{"address": "10.0.0.1:80", "zone": 3}', "zone is no text"),
        (b'{"address": "10.0.0.1:80", "name": "' + b"n" * 300 + b'"}', "name is no text of a usual length"),
        (b" " * 5000, "5000 bytes"),
    ],
)
def test_a_value_that_is_none_is_skipped_and_said(value: bytes, why: str) -> None:
    found = Registrations().after(1, [Change(b"orders/1", value), change("orders/2", address="10.0.0.2:80")])
    assert [each.address for each in found.snapshot("orders/").endpoints] == ["10.0.0.2:80"]
    ((key, reason),) = found.broken().items()
    assert key == "'orders/1'"
    assert why in reason
    assert len(reason) < 400


def test_a_set_without_endpoints_says_why() -> None:
    assert "nobody is registered below 'orders/'" in Registrations().snapshot("orders/").note
    broken = Registrations().after(1, [Change(b"a", b"")])
    assert "1 registrations that cannot be read" in broken.snapshot("orders/").note


@pytest.mark.parametrize(
    ("newer", "agrees"),
    [
        (Page(5, (), 1, more=False), True),
        (Page(9, (), 1, more=False), True),
        (Page(9, (), 2, more=False), False),
        (Page(9, (), 0, more=False), False),
        (Page(9, (change("a", address="10.0.0.1:80"),), 1, more=False), False),
        (Page(4, (), 1, more=False), False),
    ],
    ids=["the same", "other keys have changed", "one more", "one less", "one is newer", "a store of another time"],
)
def test_what_is_known_agrees_with_the_store_or_not(newer: Page, agrees: bool) -> None:
    assert Registrations().after(5, [change("a", address="10.0.0.1:80")]).agrees(newer) is agrees


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("0.0.0.0", 80),
        Endpoint("::", 80),
        Endpoint("a b", 80),
        Endpoint("10.0.0.1", 0),
        Endpoint("a", 1, "x" * 999),
    ],
)
def test_what_no_client_could_reach_is_not_registered(endpoint: Endpoint) -> None:
    with pytest.raises(ValueError, match=r"register the address at which|neither|port|usual length"):
        value_of(endpoint)


def test_a_range_ends_where_the_prefix_does() -> None:
    assert end_of(b"orders/") == b"orders0"


HEADER = {"header": {"revision": "7"}}


def test_the_answers_of_a_gateway_are_read() -> None:
    key, value = base64.b64encode(b"k").decode(), base64.b64encode(b"v").decode()
    page = read_page(json.dumps({**HEADER, "kvs": [{"key": key, "value": value}], "count": "9", "more": True}).encode())
    assert page == Page(7, (Change(b"k", b"v"),), 9, more=True)
    events = [{"kv": {"key": key, "value": value}}, {"type": "DELETE", "kv": {"key": key}}, {"kv": {"key": key}}]
    told = read_told(json.dumps({"result": {**HEADER, "events": events}}).encode())
    assert told.changes == (Change(b"k", b"v"), Change(b"k", None), Change(b"k", b""))
    assert read_told(json.dumps({"result": {**HEADER, "canceled": True, "compact_revision": "4"}}).encode()).compacted
    ended = {"result": {**HEADER, "canceled": True, "cancel_reason": "no rights"}}
    assert read_told(json.dumps(ended).encode()).refused == "no rights"
    assert read_told(b'{"error": {"message": "no leader"}}').refused == "no leader"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["result", "header", "revision", "events", "kv", "kvs", "key", "value", "count", "address"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON | st.binary(max_size=40), st.sampled_from([read_page, read_told]))
def test_whatever_comes_is_read_or_raises_value_error(body: Any, read: Callable[[bytes], object]) -> None:
    with contextlib.suppress(ValueError):
        read(body if isinstance(body, bytes) else json.dumps(body).encode())
    Registrations().after(1, [Change(b"", body if isinstance(body, bytes) else json.dumps(body).encode())])
