"""What a client pod tells: lines of JSON on its standard output, which reach the command as the pod's log.

Every request is told, and not only what they amount to: so that what all clients saw is summed up as if one had seen
it. Of a request that takes some six bytes; they come in lines of a few KiB, since a container runtime cuts long ones.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import msgspec

from benchmarks.client import Finished
from benchmarks.load import Load, Request
from benchmarks.plan import MAX_REQUESTS

_LINE = 8 * 1024
_MAX_BYTES = 64 * MAX_REQUESTS


class Warm(msgspec.Struct, tag="warm"):
    """The warm-up is over; the client waits for the word to begin."""


class Begun(msgspec.Struct, tag="begun"):
    """The word is here: the first measured request is due so long after this was said."""

    lead_s: float


class Told(msgspec.Struct, tag="told"):
    """Answers by pod, and requests that failed, since the last report."""

    by_backend: dict[str, int]
    errors: int


class Part(msgspec.Struct, tag="part"):
    """A part of the requests."""

    text: str


class Over(msgspec.Struct, tag="over"):
    """Every request has ended, and so many parts tell of them; the rest is as in `client.Finished`."""

    parts: int
    dropped: int
    cpu_s: float
    busy: float
    late: int


class Broken(msgspec.Struct, tag="broken"):
    """The client cannot go on; `traceback` says why, its last line by itself."""

    traceback: str


Line = Warm | Begun | Told | Part | Over | Broken

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Line)


def encode(message: Line) -> str:
    """As a line, without its end."""
    return _ENCODER.encode(message).decode()


def decode(line: str) -> Line | None:
    """The message of a line; None where it is none: a warning of some package's, say."""
    try:
        message: Line = _DECODER.decode(line)
    except msgspec.DecodeError:
        return None
    return message


class _Columns(msgspec.Struct, array_like=True):
    """The requests of a client, in microseconds: small numbers, which pack well.

    due     after the one before
    waited  from when it was due until it was sent; `took`: from there until its end
    answer  place in `names` of the pod that answered; below 0, that of the error, from the end
    """

    names: list[str]
    due: list[int]
    waited: list[int]
    took: list[int]
    answer: list[int]


def parts(finished: Finished) -> Iterator[Line]:
    """All that is to be told at the end."""
    packed = base64.b64encode(zlib.compress(msgspec.msgpack.encode(_columns(finished.load.requests)))).decode()
    pieces = [packed[begin : begin + _LINE] for begin in range(0, len(packed), _LINE)]
    yield from map(Part, pieces)
    yield Over(len(pieces), finished.load.dropped, finished.cpu_s, finished.busy, finished.late)


def finished(told: Sequence[Part], over: Over) -> Finished:
    """What those parts tell. Raises ValueError where they are not whole, or too much."""
    if len(told) != over.parts:
        raise ValueError(f"{len(told)} of {over.parts} parts of its requests arrived")
    try:
        inflating = zlib.decompressobj()
        packed = inflating.decompress(base64.b64decode("".join(part.text for part in told)), _MAX_BYTES)
        if inflating.unconsumed_tail:
            raise ValueError(f"it tells of more than {MAX_REQUESTS} requests")
        requests = _requests(msgspec.msgpack.decode(packed, type=_Columns))
    except (zlib.error, msgspec.DecodeError, IndexError) as error:
        raise ValueError(f"its requests cannot be read: {error}") from None
    return Finished(Load(requests, over.dropped), over.cpu_s, over.busy, over.late)


def _columns(requests: Sequence[Request]) -> _Columns:
    pods = list(dict.fromkeys(request.backend for request in requests if request.backend is not None))
    errors = list(dict.fromkeys(request.error for request in requests if request.error is not None))
    places = {name: place for place, name in enumerate(pods)}
    from_the_end = {error: -1 - place for place, error in enumerate(errors)}
    due = [round(request.due_s * 1e6) for request in requests]
    sent = [round(request.sent_s * 1e6) for request in requests]
    done = [round(request.done_s * 1e6) for request in requests]
    return _Columns(
        names=[*pods, *reversed(errors)],
        due=[later - earlier for earlier, later in pairwise([0, *due])],
        waited=[at - before for before, at in zip(due, sent, strict=True)],
        took=[at - before for before, at in zip(sent, done, strict=True)],
        answer=[
            from_the_end[request.error] if request.error is not None else places[request.backend or ""]
            for request in requests
        ],
    )


def _requests(columns: _Columns) -> tuple[Request, ...]:
    def all_of_them() -> Iterator[Request]:
        rows = zip(accumulate(columns.due), columns.waited, columns.took, columns.answer, strict=True)
        for due, waited, took, answer in rows:
            name = columns.names[answer]
            pod, error = (name, None) if answer >= 0 else (None, name)
            yield Request(due / 1e6, (due + waited) / 1e6, (due + waited + took) / 1e6, pod, error)

    return tuple(all_of_them())
