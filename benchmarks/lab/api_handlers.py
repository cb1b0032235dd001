"""The request handlers of the lab's API server, over a store.

Services, Pods and EndpointSlices: get, list, watch, create, replace, merge-patch, delete. There are no
subresources: a status is written with its object. Behaviour follows
https://kubernetes.io/docs/reference/using-api/api-concepts/ and what a real 1.36 server was seen to do.
"""

import json
import weakref
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from .history import Watch
from .kinds import KINDS, POD, Kind, Object
from .label_selectors import InvalidSelectorError, LabelSelector
from .store import Store
from .watch_stream import watch_lines

_TRUE = frozenset({"true", "1"})
_DEFAULT_WATCH_S = 1800  # a real server picks 30 to 60 minutes
_DEFAULT_GRACE_S = 30
_VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.2+lab", "platform": "linux/amd64"}


class Api:
    """Answers the requests of one API server, and can end all its watches."""

    def __init__(self, store: Store, bookmark_interval_s: float) -> None:
        self._store = store
        self._bookmark_interval_s = bookmark_interval_s
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()

    def routes(self) -> list[Route]:
        routes = [Route("/healthz", _healthz), Route("/version", _version)]
        for kind in KINDS:
            objects, one = kind.path("{namespace}"), kind.path("{namespace}", "{name}")
            served: list[tuple[str, str, Callable[[Kind, Request], Awaitable[Response]]]] = [
                (kind.path(), "GET", self._list_or_watch),
                (objects, "GET", self._list_or_watch),
                (objects, "POST", self._create),
                (one, "GET", self._get),
                (one, "PUT", self._replace),
                (one, "PATCH", self._patch),
                (one, "DELETE", self._delete),
            ]
            routes += [Route(path, partial(handler, kind), methods=[method]) for path, method, handler in served]
        return routes

    def end_watches(self) -> None:
        for watch in self._watches:
            watch.close()

    async def _list_or_watch(self, kind: Kind, request: Request) -> Response:
        parameters = request.query_params
        if parameters.get("fieldSelector"):
            raise HTTPException(400, "field selectors are not supported by this server: use labelSelector")
        try:
            selector = LabelSelector.parse(parameters.get("labelSelector", ""))
        except InvalidSelectorError as error:
            raise HTTPException(400, str(error)) from error
        if parameters.get("watch") in _TRUE:
            return self._watch(kind, request, selector)
        # The kind of a list's items is that of the list; a real server leaves it out, too.
        items = [
            {field: value for field, value in obj.items() if field not in {"kind", "apiVersion"}}
            for obj in self._store.list(kind, request.path_params.get("namespace"), selector)
        ]
        return JSONResponse(
            {
                "kind": f"{kind.name}List",
                "apiVersion": kind.api_version,
                "metadata": {"resourceVersion": str(self._store.version)},
                "items": items,
            }
        )

    def _watch(self, kind: Kind, request: Request, selector: LabelSelector) -> Response:
        parameters, namespace = request.query_params, request.path_params.get("namespace")
        if parameters.get("sendInitialEvents") in _TRUE:
            raise HTTPException(422, "sendInitialEvents is forbidden: this server has no streaming lists")
        version = _whole_number(parameters.get("resourceVersion"), "resourceVersion")
        watch = self._store.watch(kind, namespace, selector, version or None)
        self._watches.add(watch)
        lines = watch_lines(
            watch,
            kind,
            # Without a version a watch begins with everything that is there.
            () if version else self._store.list(kind, namespace, selector),
            timeout_s=_whole_number(parameters.get("timeoutSeconds"), "timeoutSeconds") or _DEFAULT_WATCH_S,
            bookmark_interval_s=self._bookmark_interval_s if parameters.get("allowWatchBookmarks") in _TRUE else None,
        )
        return StreamingResponse(lines, media_type="application/json")

    async def _get(self, kind: Kind, request: Request) -> Response:
        return JSONResponse(self._store.get(kind, **request.path_params))

    async def _create(self, kind: Kind, request: Request) -> Response:
        obj = await _object(kind, request)
        return JSONResponse(self._store.create(kind, request.path_params["namespace"], obj), 201)

    async def _replace(self, kind: Kind, request: Request) -> Response:
        obj = await _object(kind, request)
        name = request.path_params["name"]
        if obj["metadata"].get("name") != name:
            raise HTTPException(400, f"metadata.name of the body must be {name!r}, as in the path")
        return JSONResponse(self._store.update(kind, request.path_params["namespace"], obj))

    async def _patch(self, kind: Kind, request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip()
        if media_type != "application/merge-patch+json":
            raise HTTPException(
                415, f"patches of type {media_type!r} are not supported: use application/merge-patch+json"
            )
        patch = await _json(request)
        return JSONResponse(self._store.patch(kind, **request.path_params, patch=patch))

    async def _delete(self, kind: Kind, request: Request) -> Response:
        place = request.path_params
        options = await _json(request) if await request.body() else {}
        grace_s = _whole_number(
            request.query_params.get("gracePeriodSeconds", options.get("gracePeriodSeconds")),
            "gracePeriodSeconds",
        )
        current = self._store.get(kind, **place)
        spec = current.get("spec") or {}
        # A pod on a node is only marked; the node removes it, with a grace period of 0, once it has ended.
        if kind != POD or grace_s == 0 or not spec.get("nodeName"):
            return JSONResponse(self._store.delete(kind, **place))
        if "deletionTimestamp" in current["metadata"]:
            return JSONResponse(current)
        if grace_s is None:
            grace_s = spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE_S)
        gone_at = datetime.now(UTC) + timedelta(seconds=grace_s)
        marks = {
            "deletionTimestamp": gone_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "deletionGracePeriodSeconds": grace_s,
        }
        return JSONResponse(self._store.patch(kind, **place, patch={"metadata": marks}))


async def _healthz(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def _version(_request: Request) -> Response:
    return JSONResponse(_VERSION)


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return body


async def _object(kind: Kind, request: Request) -> Object:
    body = await _json(request)
    if (body.get("kind", kind.name), body.get("apiVersion", kind.api_version)) != (kind.name, kind.api_version):
        raise HTTPException(400, f"the body must be a {kind.api_version} {kind.name}")
    if not isinstance(body.get("metadata"), dict):
        raise HTTPException(400, "the body has no metadata")
    namespace = request.path_params["namespace"]
    if body["metadata"].get("namespace", namespace) != namespace:
        raise HTTPException(400, f"metadata.namespace of the body must be {namespace!r}, as in the path")
    return body


def _whole_number(text: str | int | None, name: str) -> int | None:
    if text is None or text == "":
        return None
    try:
        number = int(text)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise HTTPException(400, f"{name}: invalid value {text!r}: must be a whole number, not negative")
    return number
