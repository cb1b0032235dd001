"""Another way to the API server, that changes what a watch asks for."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from kubernetes.client import ApiClient, Configuration


class Door(http.server.ThreadingHTTPServer):
    """Passes requests on by plain HTTP, as `kubectl proxy` does, with the rights of the client that it is given.

    The server is asked to end each watch after 2 s.

    next_version  from which the next watch asks for events, in place of its own
    begun         how many times somebody asked for everything
    watched       how many times somebody asked for what came after
    asked         notified of each request
    """

    daemon_threads = True

    def __init__(self, client: ApiClient) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.client = client
        self.next_version = ""
        self.begun = 0
        self.watched = 0
        self.asked = threading.Condition()

    @property
    def configuration(self) -> Configuration:
        """That of those who come through it."""
        return Configuration(host=f"http://127.0.0.1:{self.server_port}")

    def query(self, text: str) -> str:
        """That of a request, as it is passed on."""
        query = dict(parse_qsl(text))
        with self.asked:
            if "watch" in query:
                query["timeoutSeconds"] = "2"
            if "watch" in query and "sendInitialEvents" not in query:
                query["resourceVersion"] = self.next_version or query.get("resourceVersion", "")
                self.next_version = ""
                self.watched += 1
            else:
                self.begun += 1
            self.asked.notify_all()
        return urlencode(query)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for requests."""
        with self.asked:
            self.asked.wait_for(holds)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Door

    def do_GET(self) -> None:
        configuration = self.server.client.configuration
        bearer = configuration.auth_settings().get("BearerToken")
        parts = urlsplit(self.path)
        answer = self.server.client.rest_client.pool_manager.request(
            "GET",
            f"{configuration.host}{parts.path}?{self.server.query(parts.query)}",
            headers={bearer["key"]: bearer["value"]} if bearer else {},
            preload_content=False,
        )
        try:
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers["content-type"])
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                for chunk in answer.stream():
                    self.wfile.write(chunk)
        finally:
            answer.close()
            answer.release_conn()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's name for it
        """Not into the test's output."""
