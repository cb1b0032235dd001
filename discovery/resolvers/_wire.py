"""What an API server sends of EndpointSlices, read from its bytes: the fields that count, their types checked.

All else in an object, `managedFields` above all, is skipped without becoming an object of Python. What is not what it
is read as raises `msgspec.DecodeError`, or ValueError where its text is no UTF-8.
"""

from __future__ import annotations

from typing import Annotated

import msgspec


class _Part(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A value with names in camel case. The collector is told to leave it: none is part of a cycle."""


class Named(_Part, frozen=True):
    name: str


class Metadata(_Part, frozen=True):
    """Of an object or a list. `more` is the token of a list's next page."""

    name: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None
    more: str | None = msgspec.field(name="continue", default=None)


class Conditions(_Part, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Hints(_Part, frozen=True):
    for_zones: tuple[Named, ...] | None = None
    for_nodes: tuple[Named, ...] | None = None


class TargetRef(_Part, frozen=True):
    name: str | None = None


class Member(_Part, frozen=True):
    """An endpoint of a slice."""

    addresses: tuple[str, ...] | None = None
    conditions: Conditions | None = None
    target_ref: TargetRef | None = None
    zone: str | None = None
    node_name: str | None = None
    hints: Hints | None = None


class Port(_Part, frozen=True):
    name: str | None = None
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None
    protocol: str | None = None


class EndpointSlice(_Part, frozen=True):
    metadata: Metadata
    address_type: str | None = None
    endpoints: tuple[Member, ...] | None = None
    ports: tuple[Port, ...] | None = None


class EndpointSliceList(_Part, frozen=True):
    metadata: Metadata
    items: tuple[EndpointSlice, ...] | None = None


class Status(_Part, frozen=True):
    code: int | None = None
    message: str | None = None


class Marked(_Part, frozen=True):
    """What a bookmark or a deletion tells of an object."""

    metadata: Metadata


class Added(_Part, frozen=True, tag_field="type", tag="ADDED"):
    object: EndpointSlice


class Modified(_Part, frozen=True, tag_field="type", tag="MODIFIED"):
    object: EndpointSlice


class Deleted(_Part, frozen=True, tag_field="type", tag="DELETED"):
    object: Marked


class Bookmark(_Part, frozen=True, tag_field="type", tag="BOOKMARK"):
    object: Marked


class Failed(_Part, frozen=True, tag_field="type", tag="ERROR"):
    object: Status


Event = Added | Modified | Deleted | Bookmark

read_event = msgspec.json.Decoder(Event | Failed).decode
read_list = msgspec.json.Decoder(EndpointSliceList).decode
read_status = msgspec.json.Decoder(Status).decode
