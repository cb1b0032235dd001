"""Our errors in the shape that callers of grpc handle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from grpc import aio

from discovery.errors import DiscoveryError
from discovery.grpc import _rules as rules


class EndedCall(grpc.RpcError, grpc.Call):
    """A call that never began: as an error and as the ended call that it is, like grpc's own."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self._code = code
        self._details = details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def initial_metadata(self) -> Any:
        return ()

    def trailing_metadata(self) -> Any:
        return ()

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> Any:
        return None

    def cancel(self) -> bool:
        return False

    def add_callback(self, callback: Callable[[], None]) -> bool:  # noqa: ARG002 - it has ended: there is nothing to call back for
        return False


class PickError(EndedCall):
    """One that got no endpoint."""

    def __init__(self, error: DiscoveryError) -> None:
        super().__init__(rules.status(error), str(error))


CANCELLED_DETAILS = "Locally cancelled by application!"
CANCELLED = EndedCall(grpc.StatusCode.CANCELLED, CANCELLED_DETAILS)


def aio_error(error: DiscoveryError) -> aio.AioRpcError:
    """The same for asyncio."""
    return aio.AioRpcError(rules.status(error), aio.Metadata(), aio.Metadata(), str(error), None)
