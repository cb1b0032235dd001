"""The relay passes bytes both ways, and each end's end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

from benchmarks.lab.relay import relay

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def relayed(port: int) -> AsyncIterator[tuple[str, int]]:
    """Where a relay to a port of 127.0.0.1 listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        passing = asyncio.create_task(relay(listener, "127.0.0.1", port))
        try:
            yield listener.getsockname()
        finally:
            passing.cancel()
            await asyncio.wait({passing})


@contextlib.asynccontextmanager
async def through_a_relay(server: Server) -> AsyncIterator[Stream]:
    """A connection to a server, which ends its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await server(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening, relayed(listening.sockets[0].getsockname()[1]) as address:
        reader, writer = await asyncio.open_connection(*address)
        try:
            yield reader, writer
        finally:
            writer.close()


async def test_bytes_go_both_ways_untouched_while_both_talk() -> None:
    sent, answer = os.urandom(3_000_000), os.urandom(3_000_000)
    received = bytearray()

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        while len(received) < len(sent):
            received.extend(await reader.read(65536))
        await writer.drain()

    async with through_a_relay(server) as (reader, writer):
        writer.write(sent)
        assert await reader.readexactly(len(answer)) == answer
        assert await reader.read() == b""

    assert received == sent


async def test_an_end_that_has_said_all_still_hears_the_other() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = await reader.read()
        writer.write(b"you said " + whole)
        await writer.drain()

    async with through_a_relay(server) as (reader, writer):
        writer.write(b"all there is")
        writer.write_eof()

        assert await reader.read() == b"you said all there is"


async def test_a_connection_that_is_cut_off_over_there_is_cut_off_here() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.abort()

    async with through_a_relay(server) as (reader, writer):
        writer.write(b".")

        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


async def test_where_nobody_listens_a_connection_ends_at_once_and_the_next_one_is_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    async with relayed(port) as address:
        reader, writer = await asyncio.open_connection(*address)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()

        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", port):
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b"hello"
            writer.close()


async def test_its_end_cuts_off_what_it_carries() -> None:
    ended = asyncio.Event()

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        ended.set()

    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    async with listening:
        async with relayed(listening.sockets[0].getsockname()[1]) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.readexactly(5) == b"hello"
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        await ended.wait()
        writer.close()
