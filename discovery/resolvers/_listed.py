"""A list of servers as YAML or JSON has it, read to endpoints: pure. What is wrong is named with its line.

- 10.0.0.1:8080
- {address: "[fd00::1]:8080", weight: 3, zone: zone-a, node: node-1, name: orders-0}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from discovery.model import Endpoint, split_address

_FIELDS = ("address", "weight", "zone", "node", "name")
_LIST = "a list is expected; one without servers is []"
_ITEM = "HOST:PORT is expected, or a mapping with `address: HOST:PORT`"
_SPACE = re.compile(r"\s*")

Fields = Iterable[tuple[int, str, str]]
"""Of one server: line, name and text of each."""


class ListError(ValueError):
    """The list is none; the text begins with the line."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")


def read_yaml(text: str) -> tuple[Endpoint, ...]:
    """Raises `ListError`, and ModuleNotFoundError without pyyaml."""
    return _endpoints(_yaml_items(text))


def read_json(text: str) -> tuple[Endpoint, ...]:
    """Raises `ListError`."""
    return _endpoints(_json_items(text))


def _endpoints(items: Iterable[tuple[int, Fields]]) -> tuple[Endpoint, ...]:
    found: dict[str, Endpoint] = {}
    for line, fields in items:
        given: dict[str, str] = {}
        for at, name, text in fields:
            if name not in _FIELDS:
                raise ListError(at, f"{name!r} is none of {', '.join(_FIELDS)}")
            if name in given:
                raise ListError(at, f"{name!r} is there twice")
            given[name] = text
        try:
            endpoint = _endpoint(**given)
        except ValueError as error:
            raise ListError(line, str(error)) from None
        if endpoint.address in found:
            raise ListError(line, f"{endpoint.address} is there twice; give it a weight of 2 instead")
        found[endpoint.address] = endpoint
    return tuple(found.values())


def _endpoint(address: str = "", weight: str = "1", zone: str = "", node: str = "", name: str = "") -> Endpoint:
    if not address:
        raise ValueError(_ITEM)
    if not re.fullmatch("[0-9]{1,7}", weight) or not 1 <= int(weight) <= 1_000_000:
        raise ValueError(f"weight {weight!r} is not a number from 1 to 1000000")
    return Endpoint(*split_address(address), weight=int(weight), zone=zone, node=node, name=name)


def _yaml_items(text: str) -> Iterator[tuple[int, Fields]]:
    # Events, and no objects: nothing is built that a few lines of aliases could make enormous, or deep.
    import yaml  # noqa: PLC0415 - JSON is read without it

    try:
        events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        next(events)  # the stream begins
        if not isinstance(next(events), yaml.DocumentStartEvent):
            raise ListError(1, f"there is nothing; {_LIST}")
        if not isinstance(event := next(events), yaml.SequenceStartEvent):
            raise ListError(_line_of(event), _LIST)
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            line = _line_of(event)
            if isinstance(event, yaml.MappingStartEvent):
                yield line, _yaml_fields(events, yaml.MappingEndEvent)
            else:
                yield line, [(line, "address", _scalar(event, _ITEM))]
        next(events)  # the document ends
        if not isinstance(event := next(events), yaml.StreamEndEvent):
            raise ListError(_line_of(event), "there is a second document")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ListError(mark.line + 1 if mark else 1, str(error.problem or error.context)) from None
    except yaml.reader.ReaderError as error:
        raise ListError(_line(text, error.position), str(error.reason)) from None


def _yaml_fields(events: Iterator[Any], end: type) -> Fields:
    while not isinstance(event := next(events), end):
        name = _scalar(event, "the name of a field is expected")
        yield _line_of(event), name, _scalar(next(events), f"{name!r} is no text")


def _scalar(event: Any, otherwise: str) -> str:
    text = getattr(event, "value", None)  # as it is written: `weight: 3` is no other text than `weight: "3"`
    if text is None or (event.implicit[0] and text in {"", "~", "null"}):
        raise ListError(_line_of(event), otherwise)
    return str(text)


def _line_of(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _json_items(text: str) -> Iterator[tuple[int, Fields]]:
    # One by one, since of a whole list nobody knows the lines.
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs)
    at = _after_space(text, 0)
    if text[at : at + 1] != "[":
        raise ListError(_line(text, at), _LIST)
    at = _after_space(text, at + 1)
    more = text[at : at + 1] != "]"
    line, counted = 1, 0
    while more:
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise ListError(error.lineno, error.msg) from None
        except RecursionError:
            raise ListError(line, _ITEM) from None
        yield line, _json_fields(line, value)
        at = _after_space(text, at)
        if text[at : at + 1] not in {",", "]"}:
            raise ListError(_line(text, at), "a comma or the end of the list is expected")
        if more := text[at] == ",":
            at = _after_space(text, at + 1)
    if (at := _after_space(text, at + 1)) != len(text):
        raise ListError(_line(text, at), "there is something after the list")


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON, before a name that is there twice is lost."""


def _json_fields(line: int, value: Any) -> Fields:
    for name, each in value if isinstance(value, _Pairs) else [("address", value)]:
        if name == "weight" and type(each) is int and each < 10**9:
            yield line, name, str(each)
        elif isinstance(each, str):
            yield line, name, each
        else:
            raise ListError(line, f"{name!r} is no text" if isinstance(value, _Pairs) else _ITEM)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
