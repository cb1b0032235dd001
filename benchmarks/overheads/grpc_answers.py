"""The least of gRPC over HTTP/2 (RFC 9113) that clients need: each unary call gets the same reply.

Header blocks are skipped unread, since the answer depends on nothing in them, and those sent are literals that
enter no table, so that neither side has a state to lose.
"""

from __future__ import annotations

from protos.echo_pb2 import EchoReply

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4

_INITIAL_WINDOW_SIZE = 4
_DEFAULT_WINDOW = 65_535
_RECEIVED = 1 << 24
"""How much may come before a WINDOW_UPDATE for it is due: the window is opened by twice that at the start."""

# Static table entry 8, then 31 with a new value; a new name. All without indexing (RFC 7541, 6.2.2).
_HEAD = b"\x88" + b"\x0f\x10" + b"\x10application/grpc"
_TRAILERS = b"\x00" + b"\x0bgrpc-status" + b"\x010"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


class GrpcAnswers:
    """The server's side of one connection; `pod` is in each reply."""

    def __init__(self, pod: str) -> None:
        message = EchoReply(message="hello", pod=pod).SerializeToString()
        data = b"\0" + len(message).to_bytes(4, "big") + message
        # The stream's number comes between the parts.
        self._parts = (
            frame(HEADERS, END_HEADERS, 0, _HEAD)[:5],
            _HEAD + frame(DATA, 0, 0, data)[:5],
            data + frame(HEADERS, END_HEADERS | END_STREAM, 0, _TRAILERS)[:5],
            _TRAILERS,
        )
        self._size = len(data)
        self._window = _DEFAULT_WINDOW
        self._received = 0
        self._waiting: dict[int, None] = {}
        self._rest = b""
        self._began = False

    def receive(self, data: bytes) -> bytes:
        """Frames to send; raises ValueError for a connection that is no HTTP/2 or takes no whole reply at once."""
        data = self._rest + data
        out: list[bytes] = []
        at, end = 0, len(data)
        if not self._began:
            if end < len(PREFACE):
                self._rest = data
                return b""
            at = self._begin(data, out)
        while end - at >= 9:
            after = at + 9 + int.from_bytes(data[at : at + 3], "big")
            if after > end:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = data[at + 5 : at + 9]
            if kind == DATA:
                self._received += after - at - 9
                if flags & END_STREAM:
                    self._reply(stream, out)
            elif kind != HEADERS:
                self._control(kind, flags, stream, data[at + 9 : after], out)
            elif flags & END_STREAM:
                self._reply(stream, out)
            at = after
        self._rest = data[at:]
        if self._received >= _RECEIVED:
            out.append(frame(WINDOW_UPDATE, 0, 0, self._received.to_bytes(4, "big")))
            self._received = 0
        return b"".join(out)

    def _begin(self, data: bytes, out: list[bytes]) -> int:
        if not data.startswith(PREFACE):
            raise ValueError("this is not HTTP/2")
        self._began = True
        out += [frame(SETTINGS, 0, 0), frame(WINDOW_UPDATE, 0, 0, (2 * _RECEIVED).to_bytes(4, "big"))]
        return len(PREFACE)

    def _reply(self, stream: bytes, out: list[bytes]) -> None:
        if self._window < self._size:
            self._waiting[int.from_bytes(stream, "big")] = None
            return
        self._window -= self._size
        head, data, trailers, rest = self._parts
        out += (head, stream, data, stream, trailers, stream, rest)

    def _control(self, kind: int, flags: int, stream: bytes, payload: bytes, out: list[bytes]) -> None:
        if kind == WINDOW_UPDATE:
            # A stream's own window holds a whole reply from the start, so only the connection's matters.
            if not any(stream):
                self._window += int.from_bytes(payload, "big")
                self._reply_to_those_that_wait(out)
        elif kind == SETTINGS and not flags & ACK:
            self._check(payload)
            out.append(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            out.append(frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM:
            self._waiting.pop(int.from_bytes(stream, "big"), None)

    def _reply_to_those_that_wait(self, out: list[bytes]) -> None:
        waiting, self._waiting = self._waiting, {}
        for number in waiting:
            self._reply(number.to_bytes(4, "big"), out)

    def _check(self, settings: bytes) -> None:
        for at in range(0, len(settings), 6):
            number, value = (
                int.from_bytes(settings[at : at + 2], "big"),
                int.from_bytes(settings[at + 2 : at + 6], "big"),
            )
            if number == _INITIAL_WINDOW_SIZE and value < self._size:
                raise ValueError(f"a stream's window of {value} bytes is smaller than the reply")
