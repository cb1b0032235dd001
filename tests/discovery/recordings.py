"""Courses of events as a real cluster's API server sent them, and a model of what they mean."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from discovery.resolvers import _wire
from discovery.resolvers._slices import Slices

FOLDER = Path(__file__).parents[1] / "data" / "kubernetes"

Addresses = set[tuple[str, int]]
Objects = Mapping[str, Any]
"""EndpointSlices by their names."""


def played(name: str) -> Iterator[tuple[float, str, str]]:
    """What a recording has: seconds since its start, "list", "event" or "end", and the text as it was sent.

    A list that was streamed, as events and a bookmark that ends them, is a list here too.
    """
    packed = FOLDER / f"{name}.jsonl.gz"
    text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else (FOLDER / f"{name}.jsonl").read_text()
    entries = map(json.loads, text.splitlines())
    for entry in entries:
        if entry.get("request") == "LIST":
            yield entry["t"], "list", entry["body"]
        elif "sendInitialEvents" in entry.get("query", ()):
            items = []
            while (event := json.loads((entry := next(entries))["line"]))["type"] != "BOOKMARK":
                items.append(event["object"])
            yield entry["t"], "list", json.dumps({"metadata": event["object"]["metadata"], "items": items})
        elif "line" in entry:
            yield entry["t"], "event", entry["line"]
        elif "end" in entry:
            yield entry["t"], "end", ""


def recorded(name: str) -> Iterator[tuple[str, Any]]:
    """The lists and events of a recording, in their order: ("list", body) and ("event", event)."""
    return ((kind, json.loads(text)) for _, kind, text in played(name) if kind != "end")


def read(slices: Slices, kind: str, body: Any) -> Slices:
    """The library's slices, after one more step; an ERROR changes nothing."""
    data = json.dumps(body).encode()
    if kind == "list":
        return Slices.listed(_wire.read_list(data))
    event = _wire.read_event(data)
    return slices if isinstance(event, _wire.Failed) else slices.after(event)


def after(objects: Objects, kind: str, body: Any) -> Objects:
    """The slices by name, after one more step of a recording."""
    if kind == "list":
        return {item["metadata"]["name"]: item for item in body["items"]}
    name = body["object"]["metadata"].get("name")
    match body["type"]:
        case "ADDED" | "MODIFIED":
            return {**objects, name: body["object"]}
        case "DELETED":
            return {other: item for other, item in objects.items() if other != name}
    return objects


def expected(objects: Objects, port: str) -> Addresses:
    """A model of few lines: what the set must be, given the slices as they are."""
    found = [
        (item["addressType"], endpoint["addresses"][0], number, endpoint.get("conditions") or {})
        for item in objects.values()
        if item["addressType"] != "FQDN"
        for number in numbers(item, port)
        for endpoint in item["endpoints"] or []
    ]
    ready = [each for each in found if each[3].get("ready") is not False]
    leaving = [each for each in found if each[3].get("serving") is not False and each[3].get("terminating")]
    chosen = ready or leaving
    served = min((family for family, *_ in chosen), default="")
    return {(host, number) for family, host, number, _ in chosen if family == served}


def numbers(item: Any, port: str) -> list[int]:
    """What a slice has for a port that is named, numbered, or "" for the only one."""
    tcp = [each for each in item["ports"] or [] if each.get("protocol") == "TCP" and each.get("port")]
    return [each["port"] for each in tcp if (port in {each.get("name"), str(each["port"])} if port else len(tcp) == 1)]


def hosts(objects: Objects) -> set[str]:
    """All addresses of the slices, whatever their condition."""
    return {
        endpoint["addresses"][0]
        for item in objects.values()
        if item["addressType"] != "FQDN"
        for endpoint in item["endpoints"] or []
    }
