"""Passes connections on to another address: bytes both ways, untouched, and each end's end."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import NoReturn

_CHUNK_BYTES = 65536
_RETRY_S = 0.1

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def relay(listener: socket.socket, host: str, port: int) -> NoReturn:
    """Pass on every connection that the listener accepts, until cancelled, which cuts them off.

    One that is refused over there is closed here, before a byte: as by a server that is just going.
    """
    listener.setblocking(False)
    async with asyncio.TaskGroup() as group:
        while True:
            try:
                accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError:  # no file descriptor is left, or the client is gone already
                await asyncio.sleep(_RETRY_S)
                continue
            carrying = group.create_task(_carry(accepted, host, port))
            carrying.add_done_callback(partial(_close, accepted))


def _close(accepted: socket.socket, _: asyncio.Task[None]) -> None:
    """It still is open where the task was cancelled before it had begun."""
    accepted.close()


async def _carry(accepted: socket.socket, host: str, port: int) -> None:
    near = await asyncio.open_connection(sock=accepted)
    try:
        far = await asyncio.open_connection(host, port)
    except OSError:
        near[1].transport.abort()
        return
    except asyncio.CancelledError:
        near[1].transport.abort()
        raise
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pass(near, far))
            both.create_task(_pass(far, near))
        for _, writer in (near, far):
            writer.close()
            await writer.wait_closed()
    except* OSError:  # either end is cut off, and so is the other
        pass
    finally:
        near[1].transport.abort()
        far[1].transport.abort()


async def _pass(source: Stream, sink: Stream) -> None:
    """Until the source has said all; then the sink is told so, and may go on talking."""
    while data := await source[0].read(_CHUNK_BYTES):
        sink[1].write(data)
        await sink[1].drain()
    sink[1].write_eof()
