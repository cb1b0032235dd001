"""What servers answer over httpx, whole or line by line, with a bound on what is kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from discovery.resolvers import ResolverError


async def read(response: httpx.Response, most: int, error: type[ResolverError]) -> bytes:
    """The whole body, of at most so many bytes; raises `error` where it is longer."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            raise error(f"the server answered with more than {most} bytes")
    return bytes(body)


async def lines(response: httpx.Response, most: int, error: type[ResolverError]) -> AsyncIterator[bytes]:
    """Each line that is not blank, of at most so many bytes; raises `error` where one is longer."""
    # Not aiter_lines: it splits at U+0085 and other separators that JSON strings may hold.
    rest = bytearray()
    async for chunk in response.aiter_bytes():
        rest += chunk
        *whole, tail = rest.split(b"\n") if b"\n" in chunk else (rest,)
        for line in whole:
            if line.strip():
                yield bytes(line)
        rest = tail
        if len(rest) > most:
            raise error(f"the server sent a line of over {most} bytes")
