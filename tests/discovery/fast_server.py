"""HTTP servers that cost next to nothing, for tests that send much: `python -m tests.discovery.fast_server COUNT`.

Prints the ports; ends when its stdin is closed. Further arguments are the port of a single server, the seconds that an
answer takes, and a file that gets a line for each request at once: what was carried out, even if nobody is told.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from pathlib import Path
from typing import cast

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
END = b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """Answers every head, and knows no bodies."""

    def __init__(self, takes_s: float, log: int | None) -> None:
        self._takes_s = takes_s
        self._log = log
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *heads, self._read = (self._read + data).split(END)
        for head in heads:
            if self._log is not None:
                os.write(self._log, head.partition(b"\r\n")[0] + b"\n")
            if self._takes_s:
                asyncio.get_running_loop().call_later(self._takes_s, self._transport.write, ANSWER)
            else:
                self._transport.write(ANSWER)


async def main(count: int, port: int = 0, takes_s: float = 0.0, log: Path | None = None) -> None:
    descriptor = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY) if log else None
    make = functools.partial(Connection, takes_s, descriptor)
    loop = asyncio.get_running_loop()
    listeners = [await loop.create_server(make, "127.0.0.1", port) for _ in range(count)]
    print(*(listener.sockets[0].getsockname()[1] for listener in listeners), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    count, *others = sys.argv[1:]
    given = (make(text) for make, text in zip((int, float, Path), others, strict=False))
    asyncio.run(main(int(count), *given))
