"""What the API server tells of itself: groups, versions and resources, in the forms that clients ask for first.

The OpenAPI documents are no more than what kubectl looks up there: that the server itself checks the fields of
what it is sent.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import access_reviews, tokens
from .kinds import KINDS, POD, SERVICE_ACCOUNT, Kind

_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
_VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2+lab",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
_REVIEWS = f"{access_reviews.KIND['group']}/{access_reviews.KIND['version']}"
_GROUP_VERSIONS = (*dict.fromkeys(kind.api_version for kind in KINDS), _REVIEWS)


def discovery_routes() -> list[Route]:
    """One document for each path."""
    groups = [_group(version) for version in _GROUP_VERSIONS if "/" in version]
    documents: dict[str, Any] = {
        "/version": _VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
        "/openapi/v3": {
            "paths": {
                _root(version).lstrip("/"): {"serverRelativeURL": f"/openapi/v3{_root(version)}"}
                for version in _GROUP_VERSIONS
            }
        },
    }
    for group in groups:
        documents[f"/apis/{group['name']}"] = {"kind": "APIGroup", "apiVersion": "v1", **group}
    for version in _GROUP_VERSIONS:
        documents[_root(version)] = _resources(version)
        documents[f"/openapi/v3{_root(version)}"] = _openapi(version)
    return [Route(path, _Document(document).answer) for path, document in documents.items()]


class _Document:
    def __init__(self, content: Any) -> None:
        self._content = content

    async def answer(self, _request: Request) -> Response:
        return JSONResponse(self._content)


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _group(api_version: str) -> dict[str, Any]:
    name, _slash, version = api_version.partition("/")
    served = {"groupVersion": api_version, "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def _resources(api_version: str) -> dict[str, Any]:
    resources: list[dict[str, Any]] = []
    if api_version == _REVIEWS:
        review = {"kind": access_reviews.KIND["kind"], "singularName": "", "namespaced": False, "verbs": ("create",)}
        resources.append({"name": access_reviews.PATH.rpartition("/")[2], **review})
    for kind in KINDS:
        if kind.api_version != api_version:
            continue
        shared = {"singularName": kind.name.lower(), "namespaced": kind.namespaced}
        resources.append(
            {"name": kind.plural, **shared, "kind": kind.name, "verbs": _VERBS, "shortNames": kind.short_names}
        )
        if kind == SERVICE_ACCOUNT:
            token = {"singularName": "", "namespaced": True, **tokens.KIND, "verbs": ("create",)}
            resources.append({"name": f"{kind.plural}/token", **token})
        if kind == POD:
            named = {"singularName": "", "namespaced": True}
            resources.append({"name": f"{kind.plural}/binding", **named, "kind": "Binding", "verbs": ("create",)})
            resources.append({"name": f"{kind.plural}/log", **named, "kind": POD.name, "verbs": ("get",)})
        for subresource in kind.subresources:
            scale = {"group": "autoscaling", "version": "v1"} if subresource == "scale" else {}
            resources.append(
                {
                    "name": f"{kind.plural}/{subresource}",
                    **shared,
                    "singularName": "",
                    **scale,
                    "kind": "Scale" if scale else kind.name,
                    "verbs": ("get", "patch", "update"),
                }
            )
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}


def _openapi(api_version: str) -> dict[str, Any]:
    return {
        "openapi": "3.0.0",
        "info": {"title": "lab", "version": _VERSION["gitVersion"]},
        "paths": {
            kind.path("{namespace}", "{name}"): {"patch": _patch_operation(kind)}
            for kind in KINDS
            if kind.api_version == api_version
        },
    }


def _patch_operation(kind: Kind) -> dict[str, Any]:
    return {
        "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {
            "group": kind.group,
            "version": kind.api_version.rpartition("/")[2],
            "kind": kind.name,
        },
    }
