"""What a server says of its own health (`grpc.health.v1`), where the service config has a `healthCheckConfig`.

Its two messages are of one field each, so that they need no generated code. A server without the service counts as
well, as gRPC has it; one whose connection is lost is not asked, since that is seen from the connection itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import grpc
from grpc import aio

from discovery import runtime
from discovery.node import Node

INTERVAL_S = 5.0
"""Between checks of a sync channel, which has no thread to watch with; as Kubernetes' probes in most manifests."""
TIMEOUT_S = 1.0
AGAIN_S = 1.0
"""Before a watch that has ended is begun again."""
_WATCH, _CHECK = "/grpc.health.v1.Health/Watch", "/grpc.health.v1.Health/Check"


def request_of(service: str) -> bytes:
    """A HealthCheckRequest; "" asks for the server as a whole."""
    name = service.encode()
    if len(name) > 127:
        raise ValueError(f"healthCheckConfig: the service name {service!r} is longer than 127 bytes")
    return b"\x0a" + bytes([len(name)]) + name if name else b""


def is_serving(reply: bytes) -> bool:
    """Whether a HealthCheckResponse says SERVING."""
    return reply[:2] == b"\x08\x01"


async def watch(node: Node, channel: aio.Channel, service: str, is_open: Callable[[], bool]) -> None:
    """Report each change to the node for as long as its channel is open; for asyncio channels."""
    watching: Any = channel.unary_stream(_WATCH, None, None)
    asked = request_of(service)
    while is_open():
        try:
            async for reply in watching(asked, wait_for_ready=True):
                node.report_check(is_serving(reply))
        except aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                node.report_check(True)
                return
        await asyncio.sleep(AGAIN_S * (0.5 + random.random()))


class Checks:
    """Asks again and again, and reports to the node, until `close`; for sync channels."""

    def __init__(self, node: Node, channel: grpc.Channel, service: str) -> None:
        self._node = node
        self._asking: Any = channel.unary_unary(_CHECK, None, None)
        self._asked = request_of(service)
        self._closed = False

    def ask(self) -> None:
        """Now, and then every `INTERVAL_S`."""
        if self._closed:
            return
        if not self._node.ready:
            self._later()
            return
        try:
            call = self._asking.future(self._asked, timeout=TIMEOUT_S)
        except ValueError:
            return  # the channel has been closed in this moment
        call.add_done_callback(self._answered)

    def close(self) -> None:
        self._closed = True

    def _answered(self, call: Any) -> None:
        code = call.code()
        if code is grpc.StatusCode.OK:
            self._node.report_check(is_serving(call.result()))
        if code is not grpc.StatusCode.UNIMPLEMENTED:
            self._later()

    def _later(self) -> None:
        runtime.Clock().later(INTERVAL_S * (0.8 + 0.4 * random.random()), self.ask)
