"""What a real API server sent, one course of events per file (tests/data/kubernetes)."""

import gzip
import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "data" / "kubernetes"


def entries(name: str) -> list[dict[str, Any]]:
    """The recording's lines: each a note, a step, a request or a line of a watch."""
    plain = _FOLDER / f"{name}.jsonl"
    text = plain.read_bytes() if plain.exists() else gzip.decompress(plain.with_suffix(".jsonl.gz").read_bytes())
    return [json.loads(line) for line in text.decode().splitlines()]


def watched(name: str) -> list[dict[str, Any]]:
    """The events of the recording's watch, as they were sent."""
    return [json.loads(entry["line"]) for entry in entries(name) if "line" in entry]
