"""Courses of events as a real cluster's API server sent them, and a model of what they mean."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data" / "kubernetes"

Addresses = set[tuple[str, int]]


def recorded(name: str) -> Iterator[tuple[str, Any]]:
    """The lists and events of a recording, in their order: ("list", body) and ("event", event)."""
    packed = FOLDER / f"{name}.jsonl.gz"
    text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else (FOLDER / f"{name}.jsonl").read_text()
    for line in text.splitlines():
        entry = json.loads(line)
        if entry.get("request") == "LIST":
            yield "list", json.loads(entry["body"])
        elif "line" in entry:
            yield "event", json.loads(entry["line"])


def after(objects: dict[str, Any], kind: str, body: Any) -> dict[str, Any]:
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


def expected(objects: dict[str, Any], port: str) -> Addresses:
    """A model of few lines: what the set must be, given the slices as they are."""
    found = [
        (item["addressType"], endpoint["addresses"][0], number["port"], endpoint.get("conditions") or {})
        for item in objects.values()
        for number in item["ports"] or []
        if (number.get("name") or "") == port and number.get("protocol") == "TCP" and number.get("port")
        for endpoint in item["endpoints"] or []
        if item["addressType"] != "FQDN"
    ]
    ready = [each for each in found if each[3].get("ready") is not False]
    leaving = [each for each in found if each[3].get("serving") is not False and each[3].get("terminating")]
    chosen = ready or leaving
    return {(host, number) for family, host, number, _ in chosen if family == min(each[0] for each in chosen)}
