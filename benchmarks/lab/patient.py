"""A client of an API server that others use too: it waits where that cannot do at the moment what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Self

import httpx

from .client import ApiClient, ApiError
from .kinds import Kind, Object
from .mirror import RETRY_S, passing

_PATIENCE_S = 20.0


class PatientClient(ApiClient):
    """As the other one; but what is to be deleted may be gone already, since others delete, too."""

    @classmethod
    def of(cls, client: ApiClient) -> Self:
        """In the place of another one."""
        return cls.over(client._http)

    async def delete(self, kind: Kind, namespace: str, name: str, *, grace_s: int = 0) -> Object:
        try:
            return await super().delete(kind, namespace, name, grace_s=grace_s)
        except _Gone:
            return {}

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        media_type: str = "application/json",
    ) -> Object:
        clock = asyncio.get_running_loop().time
        end = clock() + _PATIENCE_S
        while True:
            try:
                return await super()._request(method, path, body, parameters=parameters, media_type=media_type)
            except ApiError as error:
                if error.code == 404:
                    raise _Gone(error.code, error.reason, str(error)) from None
                if clock() > end or not (passing(error) or _is_young(error)):
                    raise
            except httpx.TransportError:
                # What was to be made may have been: to ask again would say that it is there already.
                if clock() > end or method == "POST":
                    raise
            await asyncio.sleep(RETRY_S)


class _Gone(ApiError):
    """There is no such object."""


def _is_young(error: ApiError) -> bool:
    """Whether a namespace has not been given its service account yet, without which it takes no pods."""
    return error.code == 403 and "serviceaccount" in str(error)
