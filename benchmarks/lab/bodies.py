"""What clients send: objects, and patches of the kinds that kubectl uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from .kinds import Kind, Object
from .patches import json_patch, merge_patch, strategic_merge_patch
from .store_errors import MalformedPatchError

_PATCHES: Mapping[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic_merge_patch,
}


async def json_body(request: Request) -> dict[str, Any]:
    """The JSON object in the body; raises `HTTPException` 400."""
    body = await _json(request)
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return body


async def object_body(kind: Kind, request: Request) -> Object:
    """An object of the kind, for the namespace in the path; raises `HTTPException` 400."""
    body = await json_body(request)
    if (body.get("kind", kind.name), body.get("apiVersion", kind.api_version)) != (kind.name, kind.api_version):
        raise HTTPException(400, f"the body must be a {kind.api_version} {kind.name}")
    if not isinstance(body.get("metadata"), dict):
        raise HTTPException(400, "the body has no metadata")
    namespace = request.path_params.get("namespace")
    if body["metadata"].get("namespace", namespace) != namespace:
        raise HTTPException(
            400, "the namespace of the provided object does not match the namespace sent on the request"
        )
    return body


async def patch_body(request: Request) -> Callable[[Object], Any]:
    """What the patch in the body does to an object; raises `HTTPException` 400 or 415."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if media_type not in _PATCHES:
        server_side = ": server-side apply is not supported by this server" if "apply-patch" in media_type else ""
        raise HTTPException(
            415,
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(_PATCHES)}"
            + server_side,
        )
    patch = await _json(request)
    if media_type != "application/json-patch+json" and not isinstance(patch, dict):
        raise MalformedPatchError("the patch must be a JSON object")
    return lambda current: _PATCHES[media_type](current, patch)


async def _json(request: Request) -> Any:
    if "protobuf" in request.headers.get("content-type", ""):
        raise HTTPException(415, "this server takes JSON only: try `kubectl apply`, which sends it")
    try:
        return await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    except ClientDisconnect:
        raise HTTPException(400, "the client left in the middle of its request") from None
