"""A server that does with its connections what a test says, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from discovery import Endpoint


@contextlib.contextmanager
def serving(handle: Callable[[socket.socket], object]) -> Iterator[Endpoint]:
    """Call `handle` with each connection, on a thread of its own; it is closed afterwards."""

    def accept() -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                threading.Thread(target=handled, args=listener.accept()[:1], daemon=True).start()

    def handled(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client may close it first
            handle(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield Endpoint("127.0.0.1", listener.getsockname()[1])
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`, which a close does not


@contextlib.contextmanager
def unreachable() -> Iterator[Endpoint]:
    """An address at which connecting neither succeeds nor fails."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Its queue takes one connection; the kernel drops what comes then.
        stack.enter_context(socket.create_connection(listener.getsockname()))
        yield Endpoint("127.0.0.1", listener.getsockname()[1])


def head(connection: socket.socket) -> bytes:
    """Read to the empty line that ends a request's head, or to the end."""
    read = b""
    while not read.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
        read += byte
    return read
