"""The least of HTTP/1.1 that clients need: each GET on a connection that is kept gets the same answer."""

from __future__ import annotations

import json

_END = b"\r\n\r\n"
_EMPTY = b"0"
"""A chunked body without a chunk, as some clients send for no body."""


class HttpAnswers:
    """The server's side of one connection; `pod` is in each answer."""

    def __init__(self, pod: str) -> None:
        body = json.dumps({"pod": pod, "node": "node-0", "zone": "zone-0"}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        self._answer = head.encode() + _END + body
        self._rest = b""

    def receive(self, data: bytes) -> bytes:
        """Answers to the requests that are complete; raises ValueError for a method that may have a body."""
        *parts, self._rest = (self._rest + data).split(_END)
        count = 0
        for part in parts:
            if part.startswith(b"GET "):
                count += 1
            elif part != _EMPTY:
                raise ValueError("only GET is answered")
        return self._answer * count
