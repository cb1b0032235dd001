"""A listening socket that lets go of connections, or sits on them, before TLS and HTTP see them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Literal, Self

Verdict = Literal["serve", "close", "hold"]


class Listener(socket.socket):
    """Asks about each connection that it accepts; those to be held are kept open, and unread, in `held`."""

    verdict: Callable[[], Verdict]
    held: list[socket.socket]

    @classmethod
    def around(cls, listener: socket.socket, verdict: Callable[[], Verdict], held: list[socket.socket]) -> Self:
        """Takes the place of a listening socket, which is of no use afterwards."""
        own = cls(fileno=listener.detach())
        own.verdict, own.held = verdict, held
        return own

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that is to be served; raises `BlockingIOError` where none waits."""
        while True:
            connection, address = super().accept()
            match self.verdict():
                case "serve":
                    return connection, address
                case "hold":
                    self.held.append(connection)
                case "close":
                    connection.close()
