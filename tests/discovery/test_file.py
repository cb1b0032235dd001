"""A list in a file: what it may say, what the error names, and how its changes are seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from discovery import Balancer, InvalidTarget, State, registry
from discovery.model import Endpoint, Snapshot
from discovery.resolvers import ResolverError
from discovery.resolvers._listed import ListError, read_json, read_yaml
from discovery.resolvers.file import LARGEST, FileResolver, _Look

ENDPOINTS = (
    Endpoint("10.0.0.2", 80),
    Endpoint("fd00::1", 81, name="orders-0", weight=3, zone="zone-a", node="node-1"),
    Endpoint("orders.example", 82),
)
YAML = """\
# those that are there for now
- 10.0.0.2:80
- {address: "[fd00::1]:81", weight: 3, zone: zone-a, node: node-1, name: orders-0}
- address: orders.example:82
"""
JSON = """
[
  "10.0.0.2:80",
  {"address": "[fd00::1]:81", "weight": 3, "zone": "zone-a", "node": "node-1", "name": "orders-0"},
  {"address": "orders.example:82"}
]
"""


def test_yaml_and_json_say_the_same() -> None:
    assert read_yaml(YAML) == read_json(JSON) == read_yaml(JSON) == ENDPOINTS
    assert read_yaml("[]") == read_json(" [ ] ") == ()


def test_texts_that_look_like_something_else_are_texts() -> None:
    yes = Endpoint("10.0.0.1", 80, zone="yes", node="0123", name="1e3")
    assert read_yaml("- {address: 10.0.0.1:80, zone: yes, node: 0123, name: 1e3}") == (yes,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: there is nothing; a list is expected; one without servers is []"),
        ("# nothing\n", "line 1: there is nothing"),
        ("\nservers:\n- 10.0.0.1:80\n", "line 2: a list is expected"),
        ("10.0.0.1:80", "line 1: a list is expected"),
        ("- 10.0.0.1:80\n- 10.0.0.2\n", "line 2: '10.0.0.2' has no `:port`"),
        ("- 10.0.0.1:80\n- 10.0.0.2:http\n", "line 2: port 'http' is not a number"),
        ("- 10.0.0.1:80\n- 10.0.0.1:80\n", "line 2: 10.0.0.1:80 is there twice"),
        ("- 10.0.0.1:80\n- address: 10.0.0.2:80\n  wieght: 2\n", "line 3: 'wieght' is none of address, weight"),
        ("- address: 10.0.0.2:80\n  zone: a\n  zone: b\n", "line 3: 'zone' is there twice"),
        ("- address: 10.0.0.2:80\n  weight: 0\n", "line 1: weight '0' is not a number from 1 to 1000000"),
        ("- address: 10.0.0.2:80\n  weight: " + "9" * 5000, "line 1: weight '9"),
        ("- address: 10.0.0.2:80\n  weight: 1.5\n", "weight '1.5' is not a number"),
        ("- zone: a\n", "line 1: HOST:PORT is expected"),
        ("- address: 10.0.0.2:80\n  zone: ~\n", "line 2: 'zone' is no text"),
        ("- address: 10.0.0.2:80\n  zone: [a]\n", "line 2: 'zone' is no text"),
        ("- address: 10.0.0.2:80\n  [a]: b\n", "line 2: the name of a field is expected"),
        ("- [10.0.0.1:80]\n", "line 1: HOST:PORT is expected"),
        ("-\n", "line 1: HOST:PORT is expected"),
        ("- 10.0.0.1:80\n- *other\n", "line 2: HOST:PORT is expected"),
        ("- 10.0.0.1:80\n- [\n", "line 2: HOST:PORT is expected"),
        ('- 10.0.0.1:80\n- "10.0.0.2:80\n', "line 3: found unexpected end of stream"),
        ("- 10.0.0.1:80\n- 10.0.0.2:80\x01\n", "line 2: control characters are not allowed"),
        ("- 10.0.0.1:80\n---\n- 10.0.0.2:80\n", "line 2: there is a second document"),
        ("[" * 100_000, "line 1: HOST:PORT is expected"),
    ],
)
def test_what_is_wrong_in_yaml_is_named_with_its_line(text: str, why: str) -> None:
    with pytest.raises(ListError) as raised:
        read_yaml(text)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: a list is expected; one without servers is []"),
        ('{"servers": []}', "line 1: a list is expected"),
        ('[\n"10.0.0.1:80",\n"10.0.0.2"\n]', "line 3: '10.0.0.2' has no `:port`"),
        ('[\n"10.0.0.1:80",\n]', "line 3: Expecting value"),
        ('[\n"10.0.0.1:80"\n"10.0.0.2:80"\n]', "line 3: a comma or the end of the list is expected"),
        ('[\n"10.0.0.1:80"', "line 2: a comma or the end of the list is expected"),
        ('[\n{"address": "10.0.0.1:80",\n"zone" "a"}]', "line 3: Expecting ':' delimiter"),
        ('["10.0.0.1:80"]\n[]', "line 2: there is something after the list"),
        ('[{"address": "10.0.0.1:80", "zone": "a", "zone": "b"}]', "line 1: 'zone' is there twice"),
        ('[{"address": "10.0.0.1:80", "zone": 1}]', "line 1: 'zone' is no text"),
        ('[{"address": "10.0.0.1:80", "weight": true}]', "line 1: 'weight' is no text"),
        ('[{"address": "10.0.0.1:80", "weight": -1}]', "line 1: weight '-1' is not a number"),
        ("[80]", "line 1: HOST:PORT is expected"),
        ('[["10.0.0.1:80"]]', "line 1: HOST:PORT is expected"),
        ("[" * 100_000, "line 1: HOST:PORT is expected"),
    ],
)
def test_what_is_wrong_in_json_is_named_with_its_line(text: str, why: str) -> None:
    with pytest.raises(ListError) as raised:
        read_json(text)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("target", "culprit"),
    [
        ("file:///etc/servers.toml", "/etc/servers.toml ends in none of .yaml, .yml, .json"),
        ("file:///etc/servers", "ends in none of"),
        ("file://etc/servers.yaml", "begins with the third slash"),
    ],
)
def test_what_is_no_such_file_is_said_at_construction(target: str, culprit: str) -> None:
    with pytest.raises(InvalidTarget, match=culprit) as raised:
        registry.resolver(target)
    assert "for example, file:///" in str(raised.value)


def test_without_pyyaml_the_extra_is_named_and_json_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InvalidTarget, match=r"needs the package pyyaml: pip install discovery-lb\[file\]"):
        registry.resolver("file:///etc/servers.yaml")
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "servers.json").write_text(JSON)
    with Balancer(f"file://{tmp_path}/servers.json") as balancer:
        assert balancer.pick(timeout_s=30).endpoint in ENDPOINTS


def replace(path: Path, text: str | bytes) -> None:
    new = path.with_name("new")
    new.write_bytes(text if isinstance(text, bytes) else text.encode())
    new.replace(path)


def until(balancer: Balancer, holds: Callable[[State], bool]) -> State:
    """Wait until the balancer's state is as wished."""
    changed = threading.Event()
    with balancer.listening(changed.set):
        balancer.start()
        while not holds(state := balancer.snapshot()):
            changed.wait()
            changed.clear()
    return state


def hosts(state: State) -> list[str]:
    return [each.endpoint.host for each in state.endpoints]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("- 10.0.0.9:80\n- 10.0.0.2\n", "line 2: '10.0.0.2' has no `:port`"),
        (b"- 10.0.0.9:80\n- \xff\n", "line 2: this is not UTF-8"),
        (b"#" * (LARGEST + 1), f"cannot be read: it is larger than {LARGEST} bytes"),
        (None, "cannot be read: No such file or directory"),
    ],
    ids=["a mistake", "no text", "too much", "gone"],
)
def test_a_broken_file_keeps_the_last_list_with_one_error_until_it_is_mended(
    broken: str | bytes | None, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "servers.yaml"
    replace(path, "[10.0.0.1:80]")
    with Balancer(resolver=FileResolver(path, interval_s=0.01)) as balancer:
        until(balancer, lambda state: hosts(state) == ["10.0.0.1"])
        if broken is None:
            path.unlink()
        else:
            replace(path, broken)
        state = until(balancer, lambda state: state.source == "failing")
        assert hosts(state) == ["10.0.0.1"]
        assert str(path) in (state.error or "")
        assert why in (state.error or "")
        assert balancer.pick().endpoint.host == "10.0.0.1"
        replace(path, "[10.0.0.2:80]")
        until(balancer, lambda state: hosts(state) == ["10.0.0.2"] and state.source == "ok")
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 1
    assert f"file {path}: resolving failed and is tried again: {path}" in warned[0]


def test_a_config_map_is_followed_as_the_kubelet_changes_it(tmp_path: Path) -> None:
    """kubernetes/pkg/volume/util/atomic_writer.go: a new folder, and `..data` renamed to lead there."""

    def write(version: str, text: str) -> None:
        (tmp_path / version).mkdir()
        (tmp_path / version / "servers.yaml").write_text(text)
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    write("..1", "[10.0.0.1:80]")
    (tmp_path / "servers.yaml").symlink_to("..data/servers.yaml")
    with Balancer(resolver=FileResolver(tmp_path / "servers.yaml", interval_s=0.01)) as balancer:
        until(balancer, lambda state: hosts(state) == ["10.0.0.1"])
        write("..2", "[10.0.0.2:80]")
        until(balancer, lambda state: hosts(state) == ["10.0.0.2"])


def test_what_is_written_in_place_is_seen_though_size_and_time_stay(tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    path.write_text('["10.0.0.1:80"]')
    os.utime(path, (1e9, 1e9))
    with Balancer(resolver=FileResolver(path, interval_s=0.01)) as balancer:
        until(balancer, lambda state: hosts(state) == ["10.0.0.1"])
        path.write_text('["10.0.0.2:80"]')
        os.utime(path, (1e9, 1e9))
        until(balancer, lambda state: hosts(state) == ["10.0.0.2"])


def test_an_order_that_changes_is_a_change_and_a_comment_is_none(tmp_path: Path) -> None:
    path = tmp_path / "servers.yaml"
    told: list[Snapshot | ResolverError] = []
    look = _Look(path, 0.01, told.append, threading.Event())
    for text in ("[a:80, b:80]", "[a:80, b:80] # as before", "[b:80, a:80]"):
        replace(path, text)
        look.once()
    assert [[each.host for each in what.endpoints] for what in told if isinstance(what, Snapshot)] == [
        ["a", "b"],
        ["b", "a"],
    ]


def test_a_part_that_is_no_list_is_given_time_to_become_one(tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    told: list[Snapshot | ResolverError] = []
    look = _Look(path, 3600.0, told.append, threading.Event())
    for text in ('["a:80"]', '["a:80", "b', '["a:80", "b:80"]'):
        path.write_text(text)
        look.once()
    assert [len(what.endpoints) for what in told if isinstance(what, Snapshot)] == [1, 2]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_what_is_no_file_is_not_waited_for(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "servers.yaml")
    with pytest.raises(ResolverError, match="it is no regular file"):
        await anext(FileResolver(tmp_path / "servers.yaml").watch())


def test_a_list_of_ten_thousand_is_read(tmp_path: Path) -> None:
    addresses = [f"10.0.{b}.{c}:80" for b in range(100) for c in range(1, 101)]
    (tmp_path / "servers.json").write_text(json.dumps(addresses))
    with Balancer(resolver=FileResolver(tmp_path / "servers.json")) as balancer:
        assert len(until(balancer, lambda state: bool(state.endpoints)).endpoints) == 10_000


async def test_the_thread_ends_with_the_watch(tmp_path: Path) -> None:
    replace(tmp_path / "servers.yaml", "[10.0.0.1:80]")
    before = set(threading.enumerate())
    watch = FileResolver(tmp_path / "servers.yaml", interval_s=3600.0).watch()
    async with contextlib.aclosing(watch):
        await anext(watch)
        (thread,) = set(threading.enumerate()) - before
    await asyncio.to_thread(thread.join)
