"""EndpointSlices as the controller of a real cluster writes them, key by key; pure."""

from __future__ import annotations

import json
from typing import Any

NAMESPACE = "shop"
PORT = "http"
FULL = 100
"""Endpoints that the controller puts into a slice."""

Object = dict[str, Any]

_NODES = 40
_ZONES = "abc"
_WRITTEN = "2026-11-23T07:18:15Z"


def endpoint(number: int) -> Object:
    """The pod of this number, ready."""
    return {
        "addresses": [f"10.{64 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"],
        "conditions": conditions(ready=True),
        "targetRef": {
            "kind": "Pod",
            "namespace": NAMESPACE,
            "name": f"orders-84b7dc854c-{number:05x}",
            "uid": _uid(number),
        },
        "nodeName": f"node-{number % _NODES}",
        "zone": f"zone-{_ZONES[number % _NODES % len(_ZONES)]}",
    }


def conditions(*, ready: bool) -> Object:
    """Of a pod that does not terminate."""
    return {"ready": ready, "serving": ready, "terminating": False}


def endpoint_slice(service: str, number: int, version: int, endpoints: list[Object]) -> Object:
    """The slice of this number of a Service."""
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": f"{service}-{number:05x}",
            "generateName": f"{service}-",
            "namespace": NAMESPACE,
            "uid": _uid(number),
            "resourceVersion": str(version),
            "generation": version,
            "creationTimestamp": _WRITTEN,
            "labels": {
                "app": service,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": service,
            },
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": _WRITTEN},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": service,
                    "uid": _uid(0),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": [_managed()],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [
            {"name": PORT, "protocol": "TCP", "port": 8080},
            {"name": "grpc", "protocol": "TCP", "port": 50051},
        ],
    }


def slice_list(version: int, items: list[Object]) -> Object:
    """The body of a LIST, whose items lack what the list says for all of them."""
    return {
        "kind": "EndpointSliceList",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {"resourceVersion": str(version)},
        "items": [{key: value for key, value in item.items() if key not in {"kind", "apiVersion"}} for item in items],
    }


def bookmark(version: int) -> Object:
    """The event that says that nothing has happened."""
    return {
        "type": "BOOKMARK",
        "object": {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": {"resourceVersion": str(version)},
            "addressType": "",
            "endpoints": None,
            "ports": None,
        },
    }


def status(code: int, reason: str, message: str) -> Object:
    """What the API server says where it refuses."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def compact(value: Object) -> bytes:
    """As JSON without a space, as the API server has it."""
    return json.dumps(value, separators=(",", ":")).encode()


def _uid(number: int) -> str:
    return f"63bad1a8-c7ea-4eaa-badd-{number:012x}"


def _managed() -> Object:
    metadata: Object = {
        "f:annotations": {".": {}, "f:endpoints.kubernetes.io/last-change-trigger-time": {}},
        "f:generateName": {},
        "f:labels": {
            ".": {},
            "f:app": {},
            "f:endpointslice.kubernetes.io/managed-by": {},
            "f:kubernetes.io/service-name": {},
        },
        "f:ownerReferences": {".": {}, f'k:{{"uid":"{_uid(0)}"}}': {}},
    }
    return {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "apiVersion": "discovery.k8s.io/v1",
        "time": _WRITTEN,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:addressType": {}, "f:endpoints": {}, "f:metadata": metadata, "f:ports": {}},
    }
