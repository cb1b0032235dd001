"""A server process that costs little per call, so that it is the client that is measured.

A loop over epoll and blocking sockets, without tasks, transports or parsers: some 10 us a call, where grpcio's own
asyncio server takes ten times as long. Its clients are those of the benchmark alone, which read what they asked for.
"""

from __future__ import annotations

import gc
import selectors
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from types import TracebackType
from typing import Protocol, Self

from benchmarks.overheads.grpc_answers import GrpcAnswers
from benchmarks.overheads.http_answers import HttpAnswers
from benchmarks.uninterrupted import uninterrupted

ANSWERS: dict[str, Callable[[str], Answers]] = {"grpc": GrpcAnswers, "http": HttpAnswers}
_CHUNK = 256 * 1024


class Answers(Protocol):
    """One connection, without the connection: bytes in, bytes out."""

    def receive(self, data: bytes) -> bytes:
        """What is to be sent now that this came; raises ValueError for what it does not understand."""


class Server:
    """A process with `count` ports of 127.0.0.1, ended for certain when the context is left.

    addresses  host:port of each; that with index 3 answers as "echo-3"
    """

    def __init__(self, protocol: str, count: int, processes: ForkServerContext) -> None:
        self._pipe, theirs = processes.Pipe()
        self._process = processes.Process(target=main, args=(protocol, count, theirs), daemon=True)
        self._theirs = theirs
        self.addresses: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        try:
            with uninterrupted():
                self._process.start()
            self._theirs.close()
            self.addresses = self._pipe.recv()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process.pid is not None:
            self._process.kill()
            self._process.join()
        self._process.close()
        self._pipe.close()


def main(protocol: str, count: int, pipe: Connection) -> None:
    """Serve until the other end of the pipe is closed, be it by death; first send the addresses."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    selector = selectors.DefaultSelector()
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(count)]
    for index, listener in enumerate(listeners):
        make = partial(ANSWERS[protocol], f"echo-{index}")
        selector.register(listener, selectors.EVENT_READ, partial(_accept, selector, listener, make))
    selector.register(pipe, selectors.EVENT_READ)
    pipe.send(tuple("{}:{}".format(*listener.getsockname()) for listener in listeners))
    _serve(selector)


def _serve(selector: selectors.BaseSelector) -> None:
    while True:
        for key, _ in selector.select():
            if key.data is None:
                return
            key.data()


def _accept(selector: selectors.BaseSelector, listener: socket.socket, make: Callable[[], Answers]) -> None:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(connection, selectors.EVENT_READ, partial(_answer, selector, connection, make()))


def _answer(selector: selectors.BaseSelector, connection: socket.socket, answers: Answers) -> None:
    try:
        data = connection.recv(_CHUNK)
        if data:
            if reply := answers.receive(data):
                connection.sendall(reply)
            return
    except (OSError, ValueError):
        pass  # a client that is gone, or is none of ours
    selector.unregister(connection)
    connection.close()


def names(count: int) -> Sequence[str]:
    """Who answers."""
    return [f"echo-{index}" for index in range(count)]
