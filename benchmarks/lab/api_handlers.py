"""The request handlers of the lab's API server, over a store.

Every kind alike: get, list, watch, create, replace, patch, delete, by who has the right to; `status`, the `scale` of
Deployments, the `token` of ServiceAccounts, and what `pod_requests` serves of Pods. A status may also be written with
its object. Behaviour follows https://kubernetes.io/docs/reference/using-api/api-concepts/ and what a real 1.36 server
was seen to do.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from . import namespaces, tokens
from .access import BearerTokens, service_account_user
from .access_reviews import PATH as ACCESS_REVIEWS
from .access_reviews import reviewed
from .admission import admitted
from .api_discovery import discovery_routes
from .bodies import json_body, object_body, patch_body
from .container_log import PodLogs
from .defaults import identified, with_defaults
from .escalation import confirm
from .history import Watch
from .kinds import KINDS, NAMESPACE, POD, SERVICE, SERVICE_ACCOUNT, Key, Kind, Object
from .listing import ListOptions, check_reached, page_of, whole_number
from .orphans import WARNING, leaves, release
from .pod_deletion import delete_pod
from .pod_requests import PodRequests
from .rbac import Attempt, authorize
from .scale import scale_of, scaled
from .store import Store
from .tables import table, wants_table
from .watch_stream import watch_lines

_DEFAULT_WATCH_S = 1800  # a real server picks 30 to 60 minutes
_DELETION_ANSWERS_OBJECT = frozenset({POD, SERVICE, SERVICE_ACCOUNT})

_Handler = Callable[[Kind, Request], Awaitable[Response]]


class Api:
    """Answers the requests of one API server, and can end all its watches."""

    def __init__(
        self,
        store: Store,
        bookmark_interval_s: float,
        users: BearerTokens,
        logs: PodLogs,
        *,
        status_apart: bool = False,
    ) -> None:
        namespaces.create_standard(store)
        self._store = store
        self._pods = PodRequests(store, logs)
        self._users = users
        self._bookmark_interval_s = bookmark_interval_s
        self._status_apart = status_apart
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()

    def routes(self) -> list[Route]:
        reviews = Route(ACCESS_REVIEWS, self._review, methods=["POST"])
        routes = [Route("/healthz", _healthz), *discovery_routes(), reviews]
        for kind in KINDS:
            objects, one = kind.path("{namespace}"), kind.path("{namespace}", "{name}")
            served: list[tuple[str, str, str, _Handler, str]] = [
                *((path, "GET", "list", self._list_or_watch, "") for path in dict.fromkeys([kind.path(), objects])),
                (objects, "POST", "create", self._create, ""),
                (one, "GET", "get", self._get, ""),
                (one, "PUT", "update", self._replace, ""),
                (one, "PATCH", "patch", self._patch, ""),
                (one, "DELETE", "delete", self._delete, ""),
            ]
            if kind == SERVICE_ACCOUNT:
                served.append((f"{one}/token", "POST", "create", self._create_token, "token"))
            if kind == POD:
                served.append((f"{one}/binding", "POST", "create", self._pods.bind, "binding"))
                served.append((f"{one}/log", "GET", "get", self._pods.log, "log"))
            handlers = (self._get, self._replace_status, self._patch_status)
            for subresource in kind.subresources:
                if subresource == "scale":
                    handlers = (self._get_scale, self._replace_scale, self._patch_scale)
                path = f"{one}/{subresource}"
                served += [
                    (path, "GET", "get", handlers[0], subresource),
                    (path, "PUT", "update", handlers[1], subresource),
                    (path, "PATCH", "patch", handlers[2], subresource),
                ]
            routes += [
                Route(path, self._authorized(kind, verb, subresource, handler), methods=[method])
                for path, method, verb, handler, subresource in served
            ]
        return routes

    def end_watches(self) -> None:
        for watch in self._watches:
            watch.close()

    def _authorized(
        self, kind: Kind, verb: str, subresource: str, handler: _Handler
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            done, name = verb, request.path_params.get("name", "")
            if verb == "list":
                options = ListOptions.read(kind, request.query_params)
                done = "watch" if options.watch else "list"
                name = options.fields.name or ""
            namespace = request.path_params.get("namespace", "")
            user = request.user.username
            authorize(self._store, Attempt(user, done, kind.group, kind.plural, subresource, namespace, name))
            return await handler(kind, request)

        return answer

    async def _list_or_watch(self, kind: Kind, request: Request) -> Response:
        options, namespace = ListOptions.read(kind, request.query_params), request.path_params.get("namespace")
        if options.watch:
            return self._watch(kind, namespace, options, _as_table(kind, request))
        page = page_of(self._store, kind, namespace, options)
        if wants_table(request.headers.get("accept", "")):
            include = request.query_params.get("includeObject")
            return JSONResponse(table(kind, page.items, page.metadata, include=include))
        # The kind of a list's items is that of the list; a real server leaves it out, too.
        items = [
            {field: value for field, value in obj.items() if field not in {"kind", "apiVersion"}} for obj in page.items
        ]
        return JSONResponse(
            {
                "kind": f"{kind.name}List",
                "apiVersion": kind.api_version,
                "metadata": page.metadata,
                "items": items,
            }
        )

    def _watch(
        self, kind: Kind, namespace: str | None, options: ListOptions, shape: Callable[[Object], Object]
    ) -> Response:
        streams_list = options.initial_events is True
        if streams_list:
            check_reached(self._store, options.version)
        # Without a version a watch begins with everything that is there, unless that is declined.
        begins = streams_list or (not options.version and options.initial_events is None)
        follow = None if streams_list else options.version or None
        watch = self._store.watch(kind, namespace, options, follow)
        self._watches.add(watch)
        lines = watch_lines(
            watch,
            kind,
            self._store.list(kind, namespace, options) if begins else (),
            timeout_s=options.timeout_s or _DEFAULT_WATCH_S,
            bookmark_interval_s=self._bookmark_interval_s if options.bookmarks else None,
            mark_end_of_initial=streams_list and options.bookmarks,
            shape=shape,
        )
        return StreamingResponse(lines, media_type="application/json")

    async def _get(self, kind: Kind, request: Request) -> Response:
        return JSONResponse(_as_table(kind, request)(self._store.get(kind, *_place(request))))

    async def _create(self, kind: Kind, request: Request) -> Response:
        body, namespace = await object_body(kind, request), request.path_params.get("namespace", "")
        body = self._content(kind, body, {})
        obj = with_defaults(kind, admitted(self._store, kind, namespace, body), self._store.list(kind))
        confirm(self._store, request.user.username, kind, namespace, obj)
        if kind == NAMESPACE:
            return JSONResponse(namespaces.create(self._store, obj), 201)
        created = self._store.create(kind, namespace, obj, lambda new: identified(kind, new))
        return JSONResponse(created, 201)

    async def _replace(self, kind: Kind, request: Request) -> Response:
        body = await object_body(kind, request)
        return self._changed(
            kind, request, lambda current: self._content(kind, _with_status_of(current, _named(request, body)), current)
        )

    async def _patch(self, kind: Kind, request: Request) -> Response:
        patched = await patch_body(request)
        return self._changed(kind, request, lambda current: self._content(kind, patched(current), current))

    def _content(self, kind: Kind, obj: Any, current: Object) -> Any:
        """What is written of an object where its status is written apart: all but that."""
        if not self._status_apart or "status" not in kind.subresources or not isinstance(obj, dict):
            return obj
        kept = {"status": current["status"]} if "status" in current else {}
        return {**{field: value for field, value in obj.items() if field != "status"}, **kept}

    async def _replace_status(self, kind: Kind, request: Request) -> Response:
        body = await object_body(kind, request)
        return self._changed(kind, request, lambda current: _status_only(current, _named(request, body)))

    async def _patch_status(self, kind: Kind, request: Request) -> Response:
        patched = await patch_body(request)
        return self._changed(kind, request, lambda current: _status_only(current, patched(current)))

    async def _create_token(self, kind: Kind, request: Request) -> Response:
        place, wanted = _place(request), await json_body(request)
        account = self._store.get(kind, *place)
        token = self._users.issue(service_account_user(*place), tokens.lifetime_s(wanted))
        return JSONResponse(tokens.answer(account, wanted, token, datetime.now(UTC)), 201)

    async def _review(self, request: Request) -> Response:
        return JSONResponse(reviewed(self._store, request.user.username, await json_body(request)), 201)

    async def _get_scale(self, kind: Kind, request: Request) -> Response:
        return JSONResponse(scale_of(self._store.get(kind, *_place(request))))

    async def _replace_scale(self, kind: Kind, request: Request) -> Response:
        scale = await json_body(request)
        return JSONResponse(scale_of(self._change(kind, request, lambda current: scaled(current, scale))))

    async def _patch_scale(self, kind: Kind, request: Request) -> Response:
        patched = await patch_body(request)
        changed = self._change(kind, request, lambda current: scaled(current, patched(scale_of(current))))
        return JSONResponse(scale_of(changed))

    def _changed(self, kind: Kind, request: Request, change: Callable[[Object], Any]) -> Response:
        return JSONResponse(self._change(kind, request, change))

    def _change(self, kind: Kind, request: Request, change: Callable[[Object], Any]) -> Object:
        def complete(current: Object) -> Any:
            changed = change(current)
            if not (isinstance(changed, dict) and isinstance(changed.get("metadata"), dict)):
                return changed
            completed = with_defaults(kind, changed, self._store.list(kind), current)
            confirm(self._store, request.user.username, kind, request.path_params.get("namespace", ""), completed)
            return completed

        return self._store.change(kind, *_place(request), complete)

    async def _delete(self, kind: Kind, request: Request) -> Response:
        place = _place(request)
        options = await json_body(request) if await request.body() else {}
        grace_s = whole_number(
            request.query_params.get("gracePeriodSeconds", options.get("gracePeriodSeconds")),
            "gracePeriodSeconds",
        )
        preconditions = options.get("preconditions") or {}
        if kind == NAMESPACE:
            return JSONResponse(namespaces.terminate(self._store, place[1]))
        policy = request.query_params.get("propagationPolicy", options.get("propagationPolicy"))
        left = leaves(kind, policy)
        if kind == POD:
            deleted = delete_pod(self._store, place, grace_s, preconditions)
        else:
            deleted = self._store.delete(kind, *place, preconditions)
        if left:
            release(self._store, deleted)
        namespaces.finish(self._store, place[0])
        headers = {"warning": f'299 - "{WARNING}"'} if left and policy is None else None
        return JSONResponse(deleted if kind in _DELETION_ANSWERS_OBJECT else _deletion(kind, deleted), 200, headers)


def _place(request: Request) -> Key:
    """Namespace and name in the path."""
    return request.path_params.get("namespace", ""), request.path_params["name"]


def _named(request: Request, body: Object) -> Object:
    name = request.path_params["name"]
    if body["metadata"].get("name") != name:
        raise HTTPException(
            400, f"the name of the object ({body['metadata'].get('name')}) does not match the name on the URL ({name})"
        )
    return body


def _with_status_of(current: Object, body: Object) -> Object:
    """Who replaces an object and says nothing of its status leaves it as it is."""
    return {"status": current["status"], **body} if "status" in current else body


def _status_only(current: Object, changed: Object) -> Object:
    stated = {field: value for field in ("uid", "resourceVersion") if (value := changed["metadata"].get(field))}
    return {**current, "metadata": {**current["metadata"], **stated}, "status": changed.get("status") or {}}


def _as_table(kind: Kind, request: Request) -> Callable[[Object], Object]:
    """The form in which the client wants each object."""
    if not wants_table(request.headers.get("accept", "")):
        return lambda obj: obj
    include = request.query_params.get("includeObject")
    return lambda obj: table(kind, [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}, include=include)


def _deletion(kind: Kind, deleted: Object) -> dict[str, Any]:
    metadata = deleted["metadata"]
    details = {"name": metadata["name"], "kind": kind.plural, "uid": metadata["uid"]}
    if kind.group:
        details["group"] = kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


async def _healthz(_request: Request) -> Response:
    return PlainTextResponse("ok")
