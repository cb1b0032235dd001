"""TokenRequest: how long the token of a service account is to live, and what the one who asked for it is told; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .kinds import Object
from .store_errors import InvalidError

KIND = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
HEAD = {"kind": KIND["kind"], "apiVersion": f"{KIND['group']}/{KIND['version']}"}

_USUAL_S = 3600
_SHORTEST_S = 600


def lifetime_s(request: Mapping[str, Any]) -> int:
    """How long the token is wanted; raises `InvalidError` where that is too short."""
    wanted_s = _spec(request).get("expirationSeconds", _USUAL_S)
    if not isinstance(wanted_s, int) or wanted_s < _SHORTEST_S:
        raise _invalid(
            f"spec.expirationSeconds: Invalid value: {wanted_s}: may not specify a duration less than 10 minutes"
        )
    return wanted_s


def answer(account: Object, request: Mapping[str, Any], token: str, now: datetime) -> dict[str, Any]:
    """The request, completed with its token."""
    lives_s = lifetime_s(request)
    until = (now + timedelta(seconds=lives_s)).astimezone(UTC)
    return {
        **HEAD,
        "metadata": {field: account["metadata"][field] for field in ("name", "namespace")},
        "spec": {**_spec(request), "expirationSeconds": lives_s},
        "status": {"token": token, "expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ")},
    }


def _spec(request: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = request.get("spec") or {}
    if not isinstance(spec, Mapping):
        raise _invalid("spec: Invalid value: must be an object")
    return {field: value for field, value in spec.items() if value is not None}


def _invalid(fault: str) -> InvalidError:
    return InvalidError(f'{KIND["kind"]}.{KIND["group"]} "" is invalid: {fault}')
