"""A measurement: a server process, a client process, and the certainty that both end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any, NamedTuple

from benchmarks.client import Failed
from benchmarks.lab.certificates import Certificates
from benchmarks.process import ClientError
from benchmarks.uninterrupted import uninterrupted
from benchmarks.watching import client, server
from benchmarks.watching.client import Api, Job, Report
from benchmarks.watching.course import Course
from benchmarks.watching.server import Listening, Played

_GRACE_S = 10.0
"""By how much longer a process may live than it is waited for: it ends itself only where nobody is left to end it."""


class Measured(NamedTuple):
    """What the client reports, and what the server does."""

    report: Report
    played: Played


@dataclass(frozen=True, slots=True)
class Pair:
    """Where measurements are made.

    limit_s  after which either process counts as hung, and is ended
    """

    processes: ForkServerContext
    certificates: Certificates
    limit_s: float

    def measure(self, course: Course, job: Job) -> Measured:
        """Play the course to a client with this job; raises ClientError."""
        heard, tells = self.processes.Pipe(duplex=False)
        with heard, tells, self._running(server.main, course, self.certificates, heard) as from_server:
            listening = self._next(from_server, "server")
            assert isinstance(listening, Listening)
            api = Api(f"https://127.0.0.1:{listening.port}", self.certificates.authority)
            with self._running(client.main, job, api, course.names[0], tells) as from_client:
                report = self._next(from_client, "client")
            played = self._next(from_server, "server")
            assert isinstance(played, Played)
            return Measured(report, played)

    @contextlib.contextmanager
    def _running(self, main: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
        """A process of `main`, which sends messages, ended for certain when the context is left."""
        messages, theirs = self.processes.Pipe(duplex=False)
        process = self.processes.Process(target=main, args=(*arguments, self.limit_s + _GRACE_S, theirs), daemon=True)
        try:
            with uninterrupted():
                process.start()
            # Only the process may hold this end, or its death would not be noticed here.
            theirs.close()
            yield messages
        finally:
            if process.pid is not None:
                process.kill()
                process.join()
            process.close()
            messages.close()

    def _next(self, messages: Connection, who: str) -> Any:
        if not messages.poll(self.limit_s):
            raise ClientError(f"the {who} process said nothing for {self.limit_s:g} s")
        try:
            message = messages.recv()
        except EOFError:
            raise ClientError(f"the {who} process died") from None
        if isinstance(message, Failed):
            raise ClientError(message.traceback.splitlines()[-1], message.traceback)
        return message
