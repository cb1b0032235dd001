"""What a container writes, as it writes it: kept for those who ask later, passed on to those who follow."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from .kinds import Key

_KEPT_BYTES: Final = 10 * 2**20  # containerLogMaxSize, by which a kubelet rotates
_PIECE_BYTES: Final = 2**16


class ContainerLog:
    """The output of one process, the last 10 MiB of it; needs a running loop."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._dropped = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._reader = -1

    def open(self) -> int:
        """The end of a pipe for the process to write to; the caller closes it as soon as the process has it."""
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        asyncio.get_running_loop().add_reader(self._reader, self._drain)
        return writer

    def close(self) -> None:
        """The process has ended: take in what is left in the pipe, whoever else still has an end of it."""
        if self._reader >= 0:
            self._drain()
        self._stop()

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")

    def last_lines(self, count: int) -> list[str]:
        return [line.strip() for line in deque(self.text.splitlines(), count)]

    async def pieces(self, *, follow: bool = False, tail_lines: int | None = None) -> AsyncIterator[bytes]:
        """What has been written, or its last lines; with `follow` also what comes, until the container has ended."""
        place = self._dropped if tail_lines is None else self._begin_of_tail(tail_lines)
        while True:
            changed, closed = self._changed, self._closed
            place = max(place, self._dropped)
            if piece := bytes(self._kept[place - self._dropped :][:_PIECE_BYTES]):
                place += len(piece)
                yield piece
            elif closed or not follow:
                return
            else:
                await changed.wait()

    def _begin_of_tail(self, lines: int) -> int:
        tail = self._kept.splitlines(keepends=True)[-lines:] if lines else []
        return self._dropped + len(self._kept) - sum(map(len, tail))

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._reader, _PIECE_BYTES):
                self._take(piece)
            self._stop()

    def _take(self, piece: bytes) -> None:
        self._kept += piece
        if (surplus := len(self._kept) - _KEPT_BYTES) > 0:
            del self._kept[:surplus]
            self._dropped += surplus
        self._wake()

    def _stop(self) -> None:
        if self._reader >= 0:
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


PodLogs = dict[Key, ContainerLog]
"""The log of the container that each pod runs, or ran last."""
