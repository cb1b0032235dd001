"""A small asyncio client of a Kubernetes API server, for the lab's controllers and for tests."""

import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from . import tokens
from .kinds import NODE, POD, SERVICE_ACCOUNT, Kind, Object, key_of


class ApiError(Exception):
    """The API server refused: `code` and `reason` as in its `Status`, the message as text."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ObjectList:
    """All objects of a LIST, and the version from which to watch on."""

    items: tuple[Object, ...]
    version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch; a BOOKMARK's object has no content but its version."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Object

    @property
    def version(self) -> str:
        """The version from which to watch on after this event."""
        return str(self.object["metadata"]["resourceVersion"])


class ApiClient:
    """Requests to one API server; every method raises `ApiError` or `httpx.TransportError`.

    `authority` is the PEM file of what the server's certificate is from.
    """

    def __init__(self, base_url: str, token: str, authority: Path | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"authorization": f"Bearer {token}"},
            limits=httpx.Limits(max_connections=None),  # each watch holds a connection
            timeout=10.0,
            # Without TLS no context is needed, and the usual one takes a while to load.
            verify=ssl.create_default_context(cafile=authority) if authority else False,
            trust_env=False,
        )

    @classmethod
    def over(cls, http: httpx.AsyncClient) -> Self:
        """One that asks through a client that knows where the server is, and who we are."""
        made = cls.__new__(cls)
        made._http = http
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        return await self._request("GET", kind.path(namespace, name))

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> ObjectList:
        """Objects of a namespace or of all; `selector` is a label selector's text."""
        body = await self._request("GET", kind.path(namespace), parameters={"labelSelector": selector})
        named = {"kind": kind.name, "apiVersion": kind.api_version}
        items = tuple({**named, **item} for item in body["items"])
        return ObjectList(items, body["metadata"]["resourceVersion"])

    async def create(self, kind: Kind, namespace: str, obj: Object) -> Object:
        return await self._request("POST", kind.path(namespace), obj)

    async def replace(self, kind: Kind, obj: Object) -> Object:
        """Write an object that was read before; a conflict if it has been changed since."""
        return await self._request("PUT", kind.path(*key_of(obj)), obj)

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any]) -> Object:
        """Apply a JSON merge patch: null removes a field."""
        return await self._request(
            "PATCH", kind.path(namespace, name), patch, media_type="application/merge-patch+json"
        )

    async def patch_status(self, kind: Kind, obj: Object, status: Mapping[str, Any]) -> Object:
        """Replace fields of an object's status; a conflict if another one has its name by now."""
        patch = {"metadata": {"uid": obj["metadata"]["uid"]}, "status": status}
        path = f"{kind.path(*key_of(obj))}/status"
        return await self._request("PATCH", path, patch, media_type="application/merge-patch+json")

    async def bind(self, pod: Object, node: str) -> None:
        """Put a pod on a node, as a scheduler does."""
        metadata = {field: pod["metadata"][field] for field in ("name", "uid")}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata}
        target = {"apiVersion": "v1", "kind": NODE.name, "name": node}
        await self._request("POST", f"{POD.path(*key_of(pod))}/binding", {**binding, "target": target})

    async def token(self, namespace: str, account: str, lifetime_s: int) -> str:
        """A new one of a service account."""
        path = f"{SERVICE_ACCOUNT.path(namespace, account)}/token"
        request = {**tokens.HEAD, "spec": {"expirationSeconds": lifetime_s}}
        return str((await self._request("POST", path, request))["status"]["token"])

    async def delete(self, kind: Kind, namespace: str, name: str, *, grace_s: int = 0) -> Object:
        """Delete an object, and what it has made; a pod that is given time stays, terminating, until that is 0.

        Returns what the server answers: a pod as it is then.
        """
        parameters = {"gracePeriodSeconds": str(grace_s), "propagationPolicy": "Background"}
        return await self._request("DELETE", kind.path(namespace, name), parameters=parameters)

    async def post(self, path: str, body: Object) -> Object:
        """Ask for what is no object that is kept: a review, say."""
        return await self._request("POST", path, body)

    async def read(self, path: str) -> Object:
        """Whatever JSON is at a path."""
        return await self._request("GET", path)

    async def log(self, namespace: str, pod: str) -> AsyncGenerator[str, None]:
        """The lines that a pod's container has written and will write, until it ends; `aclosing` as for `watch`."""
        path, timeout = f"{POD.path(namespace, pod)}/log", httpx.Timeout(10.0, read=None)
        async with self._http.stream("GET", path, params={"follow": "true"}, timeout=timeout) as response:
            if response.is_error:
                await response.aread()
                raise _error(response)
            async for line in response.aiter_lines():
                yield line

    async def watch(
        self, kind: Kind, namespace: str | None = None, *, version: str, selector: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        """The changes after `version`, until the server ends the watch; 410 if it no longer knows them.

        From no version, what there is comes first. `fields` is a field selector's text.

        A watch that is left before its end needs `contextlib.aclosing`, or its connection stays open.
        """
        parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "labelSelector": selector,
            "fieldSelector": fields,
        }
        # A quiet watch is silent for as long as the server's bookmarks are apart.
        timeout = httpx.Timeout(10.0, read=None)
        path = kind.path(namespace)
        async with self._http.stream("GET", path, params=parameters, timeout=timeout) as response:
            if response.is_error:
                await response.aread()
                raise _error(response)
            async for line in response.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _status_error(event["object"])
                yield WatchEvent(event["type"], event["object"])

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        media_type: str = "application/json",
    ) -> Object:
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"content-type": media_type}
        response = await self._http.request(method, path, params=parameters, content=content, headers=headers)
        if response.is_error:
            raise _error(response)
        answer: Object = response.json()
        return answer


def _error(response: httpx.Response) -> ApiError:
    try:
        return _status_error(response.json())
    except (ValueError, KeyError):
        # Not the API server's own answer: a proxy's page, or a server that broke.
        return ApiError(response.status_code, "", response.text)


def _status_error(status: Object) -> ApiError:
    return ApiError(status["code"], status["reason"], status["message"])
