"""Registrations in etcd to snapshots, without I/O: what its gateway's JSON says, and which endpoints that makes.

A registration is one key below a prefix, and its value is JSON: `{"address": "10.0.0.1:8080", "weight": 1, "zone": "a",
"node": "node-0", "name": "orders-0"}`, of which the address alone must be there.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from discovery.model import Endpoint, Snapshot, split_address

LARGEST_VALUE = 4096
"""Bytes: no registration is larger."""
_LONGEST = 253
"""Characters of a name, as in DNS."""
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")


@dataclass(frozen=True, slots=True)
class Change:
    """A key and its value; None: it is gone."""

    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to a range request.

    revision  of the whole store, at which this was so
    count     of the keys in the range, those of other pages too
    more      there are other pages
    """

    revision: int
    changes: tuple[Change, ...]
    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One answer of a watch.

    compacted  the revision that it was to begin at has been forgotten
    refused    why the server has ended it, or ""
    """

    revision: int
    changes: tuple[Change, ...]
    compacted: bool = False
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Registrations:
    """All registrations below a prefix at one revision: an immutable value, made anew for each answer.

    by_key  the endpoint, or why the value is none
    """

    revision: int = 0
    by_key: Mapping[bytes, Endpoint | str] = field(default_factory=dict)

    def after(self, revision: int, changes: Iterable[Change]) -> Registrations:
        """With these applied."""
        by_key = dict(self.by_key)
        for each in changes:
            if each.value is None:
                by_key.pop(each.key, None)
            else:
                by_key[each.key] = _endpoint_or_why(each.value)
        return Registrations(max(revision, self.revision), by_key)

    def agrees(self, newer: Page) -> bool:
        """Whether a page of what is newer than these, whose count is that of all, says that nothing has changed."""
        return newer.revision >= self.revision and not newer.changes and newer.count == len(self.by_key)

    def broken(self) -> dict[str, str]:
        """What is skipped: the keys, as text, and why."""
        return {repr(key)[1:200]: each for key, each in self.by_key.items() if isinstance(each, str)}

    def snapshot(self, prefix: str) -> Snapshot:
        """Each address once, in the order of addresses; of two registrations of one address, that of the last key."""
        found = {(each.host, each.port): each for _, each in sorted(self.by_key.items()) if isinstance(each, Endpoint)}
        note = ""
        if not found:
            broken = f", and {len(self.by_key)} registrations that cannot be read" if self.by_key else ""
            note = f"nobody is registered below {prefix!r}{broken}"
        return Snapshot(tuple(found[address] for address in sorted(found)), str(self.revision), note)


def value_of(endpoint: Endpoint) -> bytes:
    """What a provider writes. Raises ValueError for an endpoint that no client could read back."""
    fields = {"address": endpoint.address, "weight": endpoint.weight}
    fields |= {name: text for name in ("zone", "node", "name") if (text := getattr(endpoint, name))}
    value = json.dumps(fields).encode()
    if _unspecified(_endpoint(value).host):
        raise ValueError(f"{endpoint} is where a server listens: register the address at which others reach it")
    return value


def read_page(body: bytes) -> Page:
    """From the answer to a range request; raises ValueError where it is none."""
    answer = _object(body)
    changes = tuple(_change(each) for each in _list(answer, "kvs"))
    return Page(_revision(answer), changes, _number(answer, "count"), bool(answer.get("more")))


def read_told(line: bytes) -> Told:
    """From a line of a watch; raises ValueError where it is none."""
    answer = _object(line)
    if error := answer.get("error"):
        return Told(0, (), refused=str(error.get("message") if isinstance(error, dict) else error) or "an error")
    result = _fields(answer, "result")
    changes = tuple(
        _change(_fields({"event": event}, "event").get("kv"), gone=event.get("type") == "DELETE")
        for event in _list(result, "events")
    )
    compacted = _number(result, "compact_revision") > 0
    refused = str(result.get("cancel_reason") or "it gives no reason") if result.get("canceled") else ""
    return Told(_revision(result), changes, compacted, refused)


def _revision(answer: Mapping[str, Any]) -> int:
    """That of the store when it answered."""
    return _number(_fields(answer, "header"), "revision")


def end_of(prefix: bytes) -> bytes:
    """The first key after all that begin with a prefix which does not end in 0xff, as `range_end` wants it."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def text_of(data: bytes) -> str:
    """As the gateway takes bytes."""
    return base64.b64encode(data).decode()


def _endpoint_or_why(value: bytes) -> Endpoint | str:
    try:
        return _endpoint(value)
    except ValueError as error:
        return str(error)


def _endpoint(value: bytes) -> Endpoint:
    if len(value) > LARGEST_VALUE:
        raise ValueError(f"a value of {len(value)} bytes, where {LARGEST_VALUE} are the most")
    fields = _object(value)
    host, port = split_address(_text(fields, "address"))
    _check_host(host)
    weight = fields.get("weight", 1)
    if type(weight) is not int or not 1 <= weight <= 1_000_000:
        raise ValueError(f"weight {str(weight)[:40]!r} is not a whole number from 1 to 1000000")
    return Endpoint(
        host, port, _text(fields, "name"), weight=weight, zone=_text(fields, "zone"), node=_text(fields, "node")
    )


def _check_host(host: str) -> None:
    if ":" in host:
        ipaddress.IPv6Address(host)
    elif not _HOST.fullmatch(host):
        raise ValueError(f"{host[:_LONGEST]!r} is neither an IP address nor a DNS name")


def _unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    return _fields({"it": found}, "it")


def _fields(answer: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = answer.get(name)
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no JSON object")  # noqa: TRY004 - what is wrong is the text, not an argument
    return found


def _change(pair: object, *, gone: bool = False) -> Change:
    fields = _fields({"kv": pair}, "kv")
    return Change(_bytes(fields, "key"), None if gone else _bytes(fields, "value"))


def _bytes(fields: Mapping[str, Any], name: str) -> bytes:
    text = fields.get(name, "")
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error) as error:
        raise ValueError(f"a {name} that is not base64: {error}") from None


def _number(fields: Mapping[str, Any], name: str) -> int:
    # The gateway writes 64-bit numbers as text, and leaves out those that are 0.
    value = str(fields.get(name, 0))
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise ValueError(f"{name} {value[:40]!r} is no number")
    return int(value)


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    found = fields.get(name) or []
    if not isinstance(found, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004
    return found


def _text(fields: Mapping[str, Any], name: str) -> str:
    text = fields.get(name, "")
    if not isinstance(text, str) or len(text) > _LONGEST + 8:
        raise ValueError(f"{name} is no text of a usual length")
    return text
